//! The DM profile: a message that adds `DMAcc` objects to `./Inbox` [DM BOOT 1.2; digest 9.2].
//!
//! Its session elements mean nothing, and neither do commands other than `Add`: there is nobody to answer.

use alloc::{boxed::Box, vec::Vec};

use super::{Account, AccountError};
use crate::{
    limits::BootstrapLimits,
    wire::{self, DecodeErrorKind as WireKind, Encoding, Message},
};

/// The address to which a bootstrap adds objects. Their type, and not the address, says what they are.
pub const INBOX: &str = "./Inbox";

/// Why octets are no message of a bootstrap.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// It is not in WBXML, which is the only encoding of the profile.
    #[error("not WBXML")]
    NotWbxml,
    /// It is no message.
    #[error("{0}")]
    Message(Box<wire::DecodeError>),
    /// What an item adds to the inbox is no document of nodes. Items are counted over the whole message, from 0.
    #[error("item {item}: {error}")]
    Object {
        /// Which item.
        item: usize,
        /// What is wrong with its document.
        error: ObjectError,
    },
    /// A document makes no account.
    #[error("item {item}: {error}")]
    Account {
        /// Which item.
        item: usize,
        /// What is wrong.
        error: AccountError,
    },
    /// There is no account in it.
    #[error("no account")]
    NoAccount,
}

/// Why a value is no document of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at octet {offset} of the object")]
pub struct ObjectError {
    /// What is wrong.
    pub fault: ObjectFault,
    /// Where, in octets from the start of the document.
    pub offset: usize,
}

/// What is wrong with a document of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectFault {
    /// There is none: an item without `Data`, or one of several parts.
    #[error("no value")]
    Missing,
    /// `Type` is not that of a document of nodes in WBXML.
    #[error("not a document of nodes in WBXML")]
    OtherType,
    /// `Format` says base64, and the value is not.
    #[error("not base64")]
    BadBase64,
    /// The encoding is broken, or a limit is crossed.
    #[error("{0}")]
    Encoding(WireKind),
    /// Another document: its root is not `MgmtTree`, or it calls itself something else.
    #[error("not a document of nodes")]
    OtherDocument,
    /// An element where it has no place, or text where there is none.
    #[error("content that has no place here")]
    UnexpectedContent,
    /// An address of a node of more than [`TOTAL_BYTES_MAX`](crate::limits::UriLimits::TOTAL_BYTES_MAX) octets.
    #[error("address too long")]
    LongAddress,
    /// Two nodes of the same address.
    #[error("repeated node")]
    RepeatedNode,
}

/// Reads a message and the accounts that it adds.
pub(super) fn read(
    encoding: Encoding,
    bytes: &[u8],
    limits: &BootstrapLimits,
) -> Result<(Vec<Account>, Message), MessageError> {
    if encoding != Encoding::Wbxml {
        return Err(MessageError::NotWbxml);
    }
    let decoded = wire::decode(encoding, bytes, &limits.wire);
    let message = decoded.map_err(|error| MessageError::Message(Box::new(error)))?.message;
    let accounts = accounts(&message, limits)?;
    Ok((accounts, message))
}

/// Without the codec no message comes so far.
#[cfg(not(feature = "wbxml"))]
fn accounts(_: &Message, _: &BootstrapLimits) -> Result<Vec<Account>, MessageError> {
    Err(MessageError::NoAccount)
}

#[cfg(feature = "wbxml")]
use objects::accounts;

#[cfg(feature = "wbxml")]
mod objects {
    use alloc::{borrow::Cow, vec::Vec};

    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::{Account, INBOX, MessageError, ObjectError, ObjectFault};
    use crate::{
        bootstrap::{AccountFault, dmacc, tnds},
        limits::BootstrapLimits,
        wire::{Command, Edit, Format, Item, Message, Meta},
    };

    /// The media type of a document of nodes in WBXML.
    const TNDS_WBXML: &str = "application/vnd.syncml.dmtnds+wbxml";

    /// The accounts that a message adds to the inbox. Of several versions of one server's the newest counts.
    pub(super) fn accounts(message: &Message, limits: &BootstrapLimits) -> Result<Vec<Account>, MessageError> {
        let mut found: Vec<dmacc::Placed> = Vec::new();
        let (mut adds, mut item_at) = (Vec::new(), 0);
        collect(&message.commands, &mut adds);
        for add in adds {
            for item in &add.items {
                let at = item_at;
                item_at += 1;
                if !is_to_inbox(item) {
                    continue;
                }
                let object = |fault| MessageError::Object { item: at, error: ObjectError { fault, offset: 0 } };
                let octets = octets(item, add.meta.as_deref()).map_err(object)?;
                let nodes =
                    tnds::read(&octets, &limits.wire).map_err(|error| MessageError::Object { item: at, error })?;
                let account = |error| MessageError::Account { item: at, error };
                for placed in dmacc::accounts(&nodes, limits).map_err(account)? {
                    let server = &placed.account.server_id;
                    match found.iter().position(|other| other.account.server_id == *server) {
                        None if found.len() >= limits.accounts_max => {
                            return Err(account(placed.error(AccountFault::TooMany)));
                        }
                        None => found.push(placed),
                        Some(known) => match found.get_mut(known) {
                            Some(known) if known.account.version < placed.account.version => *known = placed,
                            Some(known) if known.account.version == placed.account.version => {
                                return Err(account(placed.error(AccountFault::Repeated)));
                            }
                            _ => {}
                        },
                    }
                }
            }
        }
        if found.is_empty() {
            return Err(MessageError::NoAccount);
        }
        Ok(found.into_iter().map(|placed| placed.account).collect())
    }

    /// All `Add` commands, those in blocks too. The codec has bounded how deep they nest.
    fn collect<'m>(commands: &'m [Command], adds: &mut Vec<&'m Edit>) {
        for command in commands {
            match command {
                Command::Add(add) => adds.push(add),
                Command::Atomic(block) | Command::Sequence(block) => collect(&block.commands, adds),
                _ => {}
            }
        }
    }

    fn is_to_inbox(item: &Item) -> bool {
        item.target.as_ref().is_some_and(|target| {
            let rest = target.uri.strip_prefix(INBOX);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// The document that an item brings.
    fn octets<'i>(item: &'i Item, command: Option<&Meta>) -> Result<Cow<'i, [u8]>, ObjectFault> {
        let meta = [item.meta.as_deref(), command];
        let media_type = meta.iter().flatten().find_map(|meta| meta.media_type.as_deref());
        if !media_type.is_none_or(|media_type| media_type.eq_ignore_ascii_case(TNDS_WBXML)) {
            return Err(ObjectFault::OtherType);
        }
        let data = item.data.as_ref().filter(|_| !item.more_data).ok_or(ObjectFault::Missing)?;
        let format = meta.iter().flatten().find_map(|meta| meta.format.as_ref());
        if format.is_some_and(|format| format.meant() == Format::B64) {
            return STANDARD.decode(data.as_bytes()).map(Cow::Owned).map_err(|_| ObjectFault::BadBase64);
        }
        Ok(Cow::Borrowed(data.as_bytes()))
    }
}
