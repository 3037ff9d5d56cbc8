//! From the nodes of a `DMAcc` object to the account [DM STDOBJ 1.2, 5.3; digest 6.10].

use alloc::{borrow::ToOwned, format, string::String, vec::Vec};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{APP_ID, Account, AccountError, AccountFault as Fault, Connection, account::admits, tnds::Node};
use crate::{
    auth::Nonce,
    limits::BootstrapLimits,
    tree::{Acl, Address, AddressKind, AuthLevel, AuthType, Credentials, ObjectVersion},
    wire::Format,
};

/// An account, and where it is in its document.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) account: Account,
    place: String,
}

impl Placed {
    /// What is wrong with the account as a whole.
    pub(super) fn error(&self, fault: Fault) -> AccountError {
        AccountError { fault, place: self.place.clone() }
    }
}

/// The accounts among the nodes of a document, in the order of their nodes. Other objects are passed over.
pub(super) fn accounts(nodes: &[Node], limits: &BootstrapLimits) -> Result<Vec<Placed>, AccountError> {
    let mut accounts = Vec::new();
    for node in nodes {
        let Some(version) = node.object.as_deref().and_then(ObjectVersion::of_dm_acc) else { continue };
        let place = Place { nodes, path: node.path.clone(), limits };
        if accounts.len() >= limits.accounts_max {
            return Err(place.error("", Fault::TooMany));
        }
        accounts.push(Placed { account: place.account(node, version)?, place: place.path });
    }
    Ok(accounts)
}

/// A node whose children are read.
struct Place<'n> {
    nodes: &'n [Node],
    path: String,
    limits: &'n BootstrapLimits,
}

impl<'n> Place<'n> {
    fn error(&self, name: &str, fault: Fault) -> AccountError {
        let place = if name.is_empty() { self.path.clone() } else { format!("{}/{name}", self.path) };
        AccountError { fault, place }
    }

    fn account(&self, node: &Node, version: ObjectVersion) -> Result<Account, AccountError> {
        if self.required("AppID")? != APP_ID {
            return Err(self.error("AppID", Fault::BadValue));
        }
        let acl: Acl = node.acl.as_deref().unwrap_or_default().parse().map_err(|_| self.error("", Fault::BadValue))?;
        let addresses = self.each("AppAddr", Self::address)?;
        if addresses.is_empty() {
            return Err(self.error("AppAddr", Fault::Missing));
        }
        let reference = |reference: &str| Connection::Reference(reference.to_owned());
        Ok(Account {
            version,
            server_id: self.required("ServerID")?.into(),
            name: self.filled("Name")?.map(ToOwned::to_owned),
            preferred_connection: self.filled("PrefConRef")?.map(reference),
            connections: self.each("ToConRef", |place| place.required("ConRef").map(reference))?,
            addresses,
            preferred_auth: self.known("AAuthPref", AuthType::parse)?,
            credentials: self.each("AppAuth", Self::credentials)?,
            acl,
            starts_session: false,
        })
    }

    fn address(&self) -> Result<Address, AccountError> {
        Ok(Address {
            address: self.required("Addr")?.to_owned(),
            kind: self.known("AddrType", AddressKind::parse)?.unwrap_or_default(),
            ports: self.each("Port", |place| {
                let number = place.required("PortNbr")?;
                let number =
                    if number.bytes().all(|octet| octet.is_ascii_digit()) { number.parse().ok() } else { None };
                number.filter(|number| *number != 0).ok_or_else(|| place.error("PortNbr", Fault::BadValue))
            })?,
        })
    }

    fn credentials(&self) -> Result<Credentials, AccountError> {
        let level = self.known("AAuthLevel", AuthLevel::parse)?;
        let level = level.ok_or_else(|| self.error("AAuthLevel", Fault::Missing))?;
        let kind = self.known("AAuthType", AuthType::parse)?;
        let kind = kind.ok_or_else(|| self.error("AAuthType", Fault::Missing))?;
        if !admits(level, kind) {
            return Err(self.error("AAuthType", Fault::BadValue));
        }
        Ok(Credentials {
            level,
            kind,
            name: self.text("AAuthName")?.map(ToOwned::to_owned),
            secret: self.text("AAuthSecret")?.map(Into::into),
            nonce: self.octets("AAuthData")?.map(|octets| Nonce::new(&octets)),
        })
    }

    /// What `read` makes of each child of a child, in their order.
    fn each<T>(
        &self,
        name: &str,
        read: impl Fn(&Place<'n>) -> Result<T, AccountError>,
    ) -> Result<Vec<T>, AccountError> {
        let (within, mut names, mut all) = (format!("{}/{name}/", self.path), Vec::new(), Vec::new());
        for node in self.nodes {
            let inner = node.path.strip_prefix(&within).and_then(|inner| inner.split('/').next());
            let Some(inner) = inner.filter(|inner| !names.contains(inner)) else { continue };
            names.push(inner);
            let place = Place { path: format!("{within}{inner}"), ..*self };
            if all.len() >= self.limits.entries_max {
                return Err(place.error("", Fault::TooMany));
            }
            all.push(read(&place)?);
        }
        Ok(all)
    }

    /// The value of a child that is a leaf, in octets.
    fn octets(&self, name: &str) -> Result<Option<Vec<u8>>, AccountError> {
        let Some((node, value)) = self.leaf(name)? else { return Ok(None) };
        if node.format != Some(Format::B64) {
            return Ok(Some(value.to_vec()));
        }
        STANDARD.decode(value).map(Some).map_err(|_| self.error(name, Fault::BadValue))
    }

    /// The value of a child that is a leaf, as text.
    fn text(&self, name: &str) -> Result<Option<&'n str>, AccountError> {
        let Some((_, value)) = self.leaf(name)? else { return Ok(None) };
        core::str::from_utf8(value).map(Some).map_err(|_| self.error(name, Fault::BadValue))
    }

    /// The same, where there is something in it.
    fn filled(&self, name: &str) -> Result<Option<&'n str>, AccountError> {
        Ok(self.text(name)?.filter(|value| !value.is_empty()))
    }

    fn required(&self, name: &str) -> Result<&'n str, AccountError> {
        self.filled(name)?.ok_or_else(|| self.error(name, Fault::Missing))
    }

    /// A value that is one of a few.
    fn known<T>(&self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, AccountError> {
        let Some(value) = self.filled(name)? else { return Ok(None) };
        parse(value).map(Some).ok_or_else(|| self.error(name, Fault::BadValue))
    }

    fn leaf(&self, name: &str) -> Result<Option<(&'n Node, &'n [u8])>, AccountError> {
        let path = format!("{}/{name}", self.path);
        let node = self.nodes.iter().find(|node| node.path == path);
        let Some((node, value)) = node.and_then(|node| Some((node, node.value.as_deref()?))) else { return Ok(None) };
        if value.len() > self.limits.value_bytes_max {
            return Err(AccountError { fault: Fault::TooLong, place: path });
        }
        Ok(Some((node, value)))
    }
}
