//! Which accounts a document holds [DM BOOT 1.2; digest 9.1].

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use super::{Characteristic, Document, Parameter};
use crate::{
    auth::Nonce,
    bootstrap::account::{APP_ID, Account, AccountError, AccountFault as Fault, Connection, admits},
    limits::BootstrapLimits,
    tree::{Acl, Address, AddressKind, AuthLevel, AuthType, Credentials, ObjectVersion},
};

impl Document {
    /// The accounts of the `APPLICATION` characteristics with the `APPID` of device management, in their order.
    ///
    /// Other applications, and parameters that have no place in an account, are passed over. The server of an account
    /// may read, change and delete its node; nobody else gets any right.
    ///
    /// # Errors
    /// What is meant for an account makes none, or crosses `limits`.
    pub fn accounts(&self, limits: &BootstrapLimits) -> Result<Vec<Account>, AccountError> {
        let mut accounts = Vec::new();
        for (at, application) in self.of_kind("APPLICATION").enumerate() {
            let place = Place { path: format!("APPLICATION[{at}]"), limits };
            if place.once(application, "APPID")? != Some(APP_ID) {
                continue;
            }
            if accounts.len() >= limits.accounts_max {
                return Err(place.error("", Fault::TooMany));
            }
            accounts.push(place.account(application)?);
        }
        Ok(accounts)
    }
}

/// Where in the document something is read.
struct Place<'l> {
    path: String,
    limits: &'l BootstrapLimits,
}

impl Place<'_> {
    fn error(&self, name: &str, fault: Fault) -> AccountError {
        let place = if name.is_empty() { self.path.clone() } else { format!("{}/{name}", self.path) };
        AccountError { fault, place }
    }

    fn account(&self, application: &Characteristic) -> Result<Account, AccountError> {
        let server = self.required(application, "PROVIDER-ID")?;
        let acl = format!("Get={server}&Replace={server}&Delete={server}");
        let is_one_name = !server.contains(['+', '&', '=', '*']);
        let acl: Acl =
            acl.parse().ok().filter(|_| is_one_name).ok_or_else(|| self.error("PROVIDER-ID", Fault::BadValue))?;
        let addresses = self.each(application, "APPADDR", Self::address)?;
        if addresses.is_empty() {
            return Err(self.error("APPADDR", Fault::Missing));
        }
        let connections = self.connections(application)?;
        Ok(Account {
            version: ObjectVersion::default(),
            server_id: server.into(),
            name: self.once(application, "NAME")?.map(ToOwned::to_owned),
            // The document has no preference but its order.
            preferred_connection: connections.first().cloned(),
            connections,
            addresses,
            preferred_auth: None,
            credentials: self.each(application, "APPAUTH", Self::credentials)?,
            acl,
            starts_session: application.parameter("INIT").is_some(),
        })
    }

    fn connections(&self, application: &Characteristic) -> Result<Vec<Connection>, AccountError> {
        let mut connections = Vec::new();
        for parameter in &application.parameters {
            let connection = match parameter.name.as_str() {
                "TO-NAPID" => Connection::AccessPoint,
                "TO-PROXY" => Connection::Proxy,
                _ => continue,
            };
            if connections.len() >= self.limits.entries_max {
                return Err(self.error(&parameter.name, Fault::TooMany));
            }
            connections.push(connection(self.filled(parameter)?.into()));
        }
        Ok(connections)
    }

    fn address(&self, address: &Characteristic) -> Result<Address, AccountError> {
        let kind = match self.once(address, "ADDRTYPE")? {
            None | Some("URI") => AddressKind::Uri,
            Some("IPV4") => AddressKind::IpV4,
            Some("IPV6") => AddressKind::IpV6,
            Some(_) => return Err(self.error("ADDRTYPE", Fault::BadValue)),
        };
        let ports = self.each(address, "PORT", |place, port| {
            let number = place.required(port, "PORTNBR")?;
            let number = if number.bytes().all(|octet| octet.is_ascii_digit()) { number.parse().ok() } else { None };
            number.filter(|number| *number != 0).ok_or_else(|| place.error("PORTNBR", Fault::BadValue))
        })?;
        Ok(Address { address: self.required(address, "ADDR")?.into(), kind, ports })
    }

    fn credentials(&self, auth: &Characteristic) -> Result<Credentials, AccountError> {
        let level = match self.required(auth, "AAUTHLEVEL")? {
            "APPSRV" => AuthLevel::Client,
            "CLIENT" => AuthLevel::Server,
            "OBEX" => AuthLevel::Obex,
            _ => return Err(self.error("AAUTHLEVEL", Fault::BadValue)),
        };
        let kind = AuthType::parse(self.required(auth, "AAUTHTYPE")?)
            .filter(|kind| admits(level, *kind))
            .ok_or_else(|| self.error("AAUTHTYPE", Fault::BadValue))?;
        let nonce = self
            .once(auth, "AAUTHDATA")?
            .map(|data| Nonce::from_base64(data).ok_or_else(|| self.error("AAUTHDATA", Fault::BadValue)));
        Ok(Credentials {
            level,
            kind,
            name: self.once(auth, "AAUTHNAME")?.map(ToOwned::to_owned),
            secret: self.once(auth, "AAUTHSECRET")?.map(Into::into),
            nonce: nonce.transpose()?,
        })
    }

    /// What `read` makes of each characteristic of a kind.
    fn each<T>(
        &self,
        within: &Characteristic,
        kind: &str,
        read: impl Fn(&Self, &Characteristic) -> Result<T, AccountError>,
    ) -> Result<Vec<T>, AccountError> {
        let mut all = Vec::new();
        for inner in within.characteristics.iter().filter(|inner| inner.kind == kind) {
            let place = Self { path: format!("{}/{kind}[{}]", self.path, all.len()), limits: self.limits };
            if all.len() >= self.limits.entries_max {
                return Err(place.error("", Fault::TooMany));
            }
            all.push(read(&place, inner)?);
        }
        Ok(all)
    }

    /// The value of a parameter that may be there once.
    fn once<'d>(&self, within: &'d Characteristic, name: &str) -> Result<Option<&'d str>, AccountError> {
        let mut all = within.parameters.iter().filter(|parameter| parameter.name == name);
        let Some(parameter) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(self.error(name, Fault::Repeated));
        }
        self.bounded(parameter).map(Some)
    }

    /// The value of a parameter that must be there, with something in it.
    fn required<'d>(&self, within: &'d Characteristic, name: &str) -> Result<&'d str, AccountError> {
        let value = self.once(within, name)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| self.error(name, Fault::Missing))
    }

    /// The value of this parameter, with something in it.
    fn filled<'d>(&self, parameter: &'d Parameter) -> Result<&'d str, AccountError> {
        let value = self.bounded(parameter)?;
        if value.is_empty() { Err(self.error(&parameter.name, Fault::Missing)) } else { Ok(value) }
    }

    /// The value of this parameter; one without is as good as an empty one.
    fn bounded<'d>(&self, parameter: &'d Parameter) -> Result<&'d str, AccountError> {
        let value = parameter.value.as_deref().unwrap_or_default();
        if value.len() > self.limits.value_bytes_max {
            return Err(self.error(&parameter.name, Fault::TooLong));
        }
        Ok(value)
    }
}
