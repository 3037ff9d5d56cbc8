//! Accounts: where servers are, and how client and server know each other.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{AuthLevel, AuthType, ObjectVersion};
use crate::{
    auth::{Account, Nonce},
    client::Profile,
    ids::{DeviceId, ServerId},
    notify::VersionHint,
    tree::{
        access::{AccessType, Verb},
        build::Builder,
        error::{TreeError, TreeFault},
        memory::{Actor, Memory},
        node::Node,
        op::{Content, Op},
    },
    wire::{Format, Secret},
};

/// One account, wherever it is in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DmAcc {
    /// Which issue of the object it is.
    pub version: ObjectVersion,
    /// `ServerID`: the server's name in access control lists and notifications.
    pub server_id: ServerId,
    /// `Name`: for people.
    pub name: Option<String>,
    /// `PrefConRef`: the connectivity to prefer.
    pub preferred_connectivity: Option<String>,
    /// `ToConRef/*/ConRef`: connectivity that may be used.
    pub connectivity: Vec<String>,
    /// `AppAddr/*`: where the server is. There is one at least.
    pub addresses: Vec<Address>,
    /// `AAuthPref`: how to prove oneself before anything was negotiated.
    pub preferred_auth: Option<AuthType>,
    /// `AppAuth/*`.
    pub credentials: Vec<Credentials>,
    /// The highest protocol version of the server, such as `1.3` [digest 10.5].
    pub server_version: Option<String>,
}

/// One address of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// `Addr`.
    pub address: String,
    /// `AddrType`.
    pub kind: AddressKind,
    /// `Port/*/PortNbr`.
    pub ports: Vec<u16>,
}

/// `AddrType`: what an address is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressKind {
    /// `URI`, and what nothing was said of.
    #[default]
    Uri,
    /// `IPv4`.
    IpV4,
    /// `IPv6`.
    IpV6,
}

/// One set of credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AAuthLevel`.
    pub level: AuthLevel,
    /// `AAuthType`.
    pub kind: AuthType,
    /// `AAuthName`.
    pub name: Option<String>,
    /// `AAuthSecret`, which no server can read.
    pub secret: Option<Secret>,
    /// `AAuthData`, the nonce, which no server can read.
    pub nonce: Option<Nonce>,
}

impl AddressKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Uri => "URI",
            Self::IpV4 => "IPv4",
            Self::IpV6 => "IPv6",
        }
    }

    /// What the text of the leaf means, in any letters; nothing for other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Uri, Self::IpV4, Self::IpV6].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl Address {
    /// The address as one that messages are sent to, with the first port where it needs one.
    #[must_use]
    pub fn url(&self) -> String {
        let address = &self.address;
        let port = self.ports.first().map(|port| format!(":{port}")).unwrap_or_default();
        match self.kind {
            AddressKind::IpV4 => format!("http://{address}{port}"),
            AddressKind::IpV6 => format!("http://[{address}]{port}"),
            AddressKind::Uri => match address.split_once("://") {
                Some((scheme, rest)) => {
                    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
                    let host = authority.rsplit('@').next().unwrap_or_default();
                    let has_port = host.rsplit(']').next().unwrap_or_default().contains(':');
                    let port = if has_port { "" } else { &port };
                    format!("{scheme}://{authority}{port}{path}")
                }
                None => address.clone(),
            },
        }
    }
}

impl Credentials {
    /// Credentials that were never used.
    #[must_use]
    pub fn new(level: AuthLevel, kind: AuthType, name: &str, secret: &str) -> Self {
        Self { level, kind, name: Some(name.into()), secret: Some(secret.into()), nonce: None }
    }

    /// The account that they are; nothing where they are for the transport, or of a scheme that this crate has not.
    #[must_use]
    pub fn account(&self) -> Option<Account> {
        let mut account = Account::new(self.name.as_deref().unwrap_or_default(), "", self.kind.scheme()?);
        account.password = self.secret.clone().unwrap_or_default();
        account.nonce = self.nonce.clone().unwrap_or_default();
        Some(account)
    }
}

impl DmAcc {
    /// Where [`server_version`](Self::server_version) is, below the node of the account. OMA DM 1.3 has a node for it
    /// whose name we do not know; another may be given to [`read_with`](Self::read_with).
    pub const VERSION_NODE: &str = "Ext/OmaDm/MaxProtoVer";
    /// Where other clients have it.
    const OTHER_VERSION_NODE: &str = "Ext/Microsoft/ProtoVer";
    const APP_ID: &str = "w7";

    /// The addresses of all accounts in the tree: the nodes whose `Type` says so, in the order of the tree.
    #[must_use]
    pub fn find(tree: &Memory) -> Vec<String> {
        let (mut found, mut open) = (Vec::new(), Vec::from([(String::from("."), tree.root())]));
        while let Some((uri, node)) = open.pop() {
            open.extend(node.children().rev().map(|(name, child)| (format!("{uri}/{name}"), child)));
            if node.is_interior() && version_of(node).is_some() {
                found.push(uri);
            }
        }
        found
    }

    /// The account of a server, and where it is.
    #[must_use]
    pub fn of_server(tree: &Memory, server: &ServerId) -> Option<(String, Self)> {
        let mut all =
            Self::find(tree).into_iter().filter_map(|uri| Self::read(tree, &uri).map(|account| (uri, account)));
        all.find(|(_, account)| account.server_id == *server)
    }

    /// The account at the address; nothing where there is none, or where it does not name its server.
    #[must_use]
    pub fn read(tree: &Memory, uri: &str) -> Option<Self> {
        Self::read_with(tree, uri, Self::VERSION_NODE)
    }

    /// The same, where the version of the server is at another place below the account.
    #[must_use]
    pub fn read_with(tree: &Memory, uri: &str, version_node: &str) -> Option<Self> {
        let node = tree.node(uri)?;
        let text = |path: &str| text(node, path);
        let server_id = text("ServerID").filter(|id| !id.is_empty())?;
        let version = [version_node, Self::OTHER_VERSION_NODE].into_iter().find_map(text);
        Some(Self {
            version: version_of(node).unwrap_or_default(),
            server_id: server_id.into(),
            name: text("Name"),
            preferred_connectivity: text("PrefConRef"),
            connectivity: each(node, "ToConRef").filter_map(|child| self::text(child, "ConRef")).collect(),
            addresses: each(node, "AppAddr").filter_map(address).collect(),
            preferred_auth: text("AAuthPref").as_deref().and_then(AuthType::parse),
            credentials: each(node, "AppAuth").filter_map(credentials).collect(),
            server_version: version.filter(|version| !version.is_empty()),
        })
    }

    /// What the account is to a client session: its server and how both prove themselves. Nothing where it has no
    /// address.
    ///
    /// Without credentials of the server in messages, the transport is what must prove it.
    #[must_use]
    pub fn profile(&self, device: impl Into<DeviceId>) -> Option<Profile> {
        let address = self.addresses.first()?;
        let schemes = self.of_level(AuthLevel::Client).filter_map(|credentials| credentials.kind.scheme());
        let preferred = self.preferred_auth.and_then(AuthType::scheme);
        let mut profile = Profile::new(device, address.url(), self.server_id.clone());
        profile.first = preferred.filter(|scheme| schemes.clone().any(|own| own == *scheme)).or(schemes.clone().max());
        profile.weakest = schemes.min().unwrap_or(profile.weakest);
        profile.server_scheme =
            self.of_level(AuthLevel::Server).filter_map(|credentials| credentials.kind.scheme()).max();
        Some(profile)
    }

    /// The highest protocol version of the server, for the choice of a session's; nothing where the account does not say,
    /// or says nonsense [digest 10.5].
    #[must_use]
    pub fn highest_version(&self) -> Option<VersionHint> {
        self.server_version.as_ref()?.trim().parse().ok()
    }

    /// What the client proves itself with: the credentials of the preferred kind, or else the strongest.
    #[must_use]
    pub fn client_account(&self) -> Option<Account> {
        self.strongest(AuthLevel::Client, self.preferred_auth)
    }

    /// What the server proves itself with: the strongest of its credentials.
    #[must_use]
    pub fn server_account(&self) -> Option<Account> {
        self.strongest(AuthLevel::Server, None)
    }

    fn of_level(&self, level: AuthLevel) -> impl Iterator<Item = &Credentials> + Clone {
        self.credentials.iter().filter(move |credentials| credentials.level == level)
    }

    fn strongest(&self, level: AuthLevel, preferred: Option<AuthType>) -> Option<Account> {
        let usable = self.of_level(level).filter(|credentials| credentials.kind.scheme().is_some());
        usable.max_by_key(|own| (Some(own.kind) == preferred, own.kind.scheme())).and_then(Credentials::account)
    }
}

impl Memory {
    /// Keeps a nonce with the credentials of an account that are used in digests: what a session reports as the
    /// client's or the server's next nonce. Nothing is kept where the account has no such credentials.
    ///
    /// # Errors
    /// There is no such account, no room, or the tree is in the middle of an `Atomic`.
    pub fn store_nonce(&mut self, account: &str, level: AuthLevel, nonce: &Nonce) -> Result<(), TreeError> {
        self.check_closed().map_err(|fault| fault.at(account))?;
        let node = self.node(account).ok_or_else(|| TreeFault::NotThere.at(account))?;
        let is_used = |own: &Credentials| own.level == level && own.kind == AuthType::Digest;
        let names: Vec<String> = node
            .child("AppAuth")
            .map(|all| all.children().filter(|(_, child)| credentials(child).is_some_and(|own| is_used(&own))))
            .into_iter()
            .flatten()
            .map(|(name, _)| name.into())
            .collect();
        for name in names {
            let uri = format!("{account}/AppAuth/{name}/AAuthData");
            if self.node(&uri).is_some() {
                self.set_value(&uri, nonce.as_bytes())?;
                continue;
            }
            let data = Some(nonce.as_bytes().into());
            let media_type = Some("application/octet-stream".into());
            let content = Content { format: Some(Format::Bin), media_type, data, in_parts: None };
            // The device adds it, whatever its parent admits to servers.
            let parent = format!("{account}/AppAuth/{name}");
            let admitted = self.set_access(&parent, AccessType::USUAL);
            let result = self.apply_one(Actor::Device, &Op::Add { uri: uri.as_str().into(), content });
            if let Some(admitted) = admitted {
                self.set_access(&parent, admitted);
            }
            if !result.status.is_success() {
                return Err(TreeFault::Full.at(uri));
            }
            self.set_access(&uri, AccessType::of(&[]));
        }
        Ok(())
    }

    /// Gives a node another access, and returns the one that it had.
    fn set_access(&mut self, uri: &str, access: AccessType) -> Option<AccessType> {
        let address = self.address(uri).ok()?;
        self.node_mut(&address).map(|node| core::mem::replace(&mut node.access, access))
    }
}

impl Builder {
    /// An account at the address, dynamic, and to be read only; secrets and nonces not even that.
    pub fn dm_acc(self, uri: &str, account: &DmAcc) -> Self {
        let mut plan = Plan { builder: self, root: uri };
        plan.interior("");
        plan.builder = plan.builder.media_type(account.version.dm_acc());
        plan.leaf("AppID", DmAcc::APP_ID);
        plan.leaf("ServerID", account.server_id.as_str());
        plan.option("Name", account.name.as_deref());
        plan.option("PrefConRef", account.preferred_connectivity.as_deref());
        for (n, reference) in account.connectivity.iter().enumerate() {
            plan.leaf(&format!("ToConRef/{}/ConRef", n + 1), reference);
        }
        plan.interior("AppAddr");
        for (n, address) in account.addresses.iter().enumerate() {
            let at = format!("AppAddr/{}", n + 1);
            plan.leaf(&format!("{at}/Addr"), &address.address);
            plan.leaf(&format!("{at}/AddrType"), address.kind.as_str());
            for (n, port) in address.ports.iter().enumerate() {
                plan.leaf(&format!("{at}/Port/{}/PortNbr", n + 1), &port.to_string());
            }
        }
        plan.option("AAuthPref", account.preferred_auth.map(AuthType::as_str));
        for (n, credentials) in account.credentials.iter().enumerate() {
            let at = format!("AppAuth/{}", n + 1);
            plan.leaf(&format!("{at}/AAuthLevel"), credentials.level.as_str());
            plan.leaf(&format!("{at}/AAuthType"), credentials.kind.as_str());
            plan.option(&format!("{at}/AAuthName"), credentials.name.as_deref());
            plan.option(&format!("{at}/AAuthSecret"), credentials.secret.as_ref().map(Secret::reveal));
            if credentials.secret.is_some() {
                plan.builder = plan.builder.access(&[]);
            }
            if let Some(nonce) = &credentials.nonce {
                plan.builder = plan.builder.leaf(&format!("{uri}/{at}/AAuthData"), nonce.as_bytes());
                plan.builder = plan.builder.format(&Format::Bin).media_type("application/octet-stream").access(&[]);
            }
        }
        plan.option(DmAcc::VERSION_NODE, account.server_version.as_deref());
        plan.builder.at(uri)
    }
}

/// An account that is being built.
struct Plan<'a> {
    builder: Builder,
    root: &'a str,
}

impl Plan<'_> {
    /// An interior node below the account, or the account itself.
    fn interior(&mut self, path: &str) {
        let uri = if path.is_empty() { self.root.into() } else { format!("{}/{path}", self.root) };
        self.change(|builder| builder.interior(&uri).access(&[Verb::Get]));
    }

    fn leaf(&mut self, path: &str, value: &str) {
        // The way to it is as readable as the leaf.
        for (at, _) in path.match_indices('/') {
            self.interior(path.get(..at).unwrap_or_default());
        }
        let uri = format!("{}/{path}", self.root);
        self.change(|builder| builder.leaf(&uri, value).access(&[Verb::Get]));
    }

    fn option(&mut self, path: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.leaf(path, value);
        }
    }

    fn change(&mut self, change: impl FnOnce(Builder) -> Builder) {
        let builder = core::mem::replace(&mut self.builder, Memory::builder());
        self.builder = change(builder);
    }
}

fn version_of(node: &Node) -> Option<ObjectVersion> {
    ObjectVersion::of_dm_acc(node.media_type())
}

/// The text of the leaf that a path leads to.
fn text(node: &Node, path: &str) -> Option<String> {
    let leaf = path.split('/').try_fold(node, |node, name| node.child(name))?;
    core::str::from_utf8(leaf.value()?).ok().map(String::from)
}

/// The children of a child.
fn each<'a>(node: &'a Node, name: &str) -> impl Iterator<Item = &'a Node> {
    node.child(name).into_iter().flat_map(|all| all.children().map(|(_, child)| child))
}

fn address(node: &Node) -> Option<Address> {
    let kind = text(node, "AddrType").unwrap_or_default();
    Some(Address {
        address: text(node, "Addr").filter(|address| !address.is_empty())?,
        kind: AddressKind::parse(&kind).unwrap_or_default(),
        ports: each(node, "Port").filter_map(|port| text(port, "PortNbr")?.trim().parse().ok()).collect(),
    })
}

fn credentials(node: &Node) -> Option<Credentials> {
    Some(Credentials {
        level: AuthLevel::parse(&text(node, "AAuthLevel")?)?,
        kind: AuthType::parse(&text(node, "AAuthType")?)?,
        name: text(node, "AAuthName"),
        secret: text(node, "AAuthSecret").map(Secret::from),
        nonce: node.child("AAuthData").and_then(Node::value).map(|octets| Nonce::new(octets)),
    })
}
