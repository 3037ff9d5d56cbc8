//! Code spaces. They are open: a code that has no name here is kept and echoed.

use core::fmt;

use serde::{Deserialize, Serialize};

/// What became of a command, or of a message [SyncML RepPro 1.2, 10].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusCode(pub u16);

/// What an `Alert` is about [DM RepPro 1.2, 7].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertCode(pub u16);

macro_rules! codes {
    ($type:ident: $($(#[$doc:meta])* $name:ident = $code:literal $text:literal;)+) => {
        impl $type {
            $($(#[$doc])* #[doc = concat!("`", $code, "`: ", $text, ".")] pub const $name: Self = Self($code);)+

            /// The specification's words for the code, where it has any.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, self.name().unwrap_or("(unnamed)"))
            }
        }
    };
}

codes! { StatusCode:
    IN_PROGRESS = 101 "In progress";
    OK = 200 "OK";
    ITEM_ADDED = 201 "Item added";
    ACCEPTED = 202 "Accepted for processing";
    AUTHENTICATED = 212 "Authentication accepted";
    CHUNK_ACCEPTED = 213 "Chunked item accepted and buffered";
    CANCELLED = 214 "Operation cancelled";
    NOT_EXECUTED = 215 "Not executed";
    ROLLED_BACK = 216 "Atomic roll back OK";
    NOT_MODIFIED = 304 "Not modified";
    BAD_REQUEST = 400 "Bad request";
    UNAUTHORIZED = 401 "Invalid credentials";
    FORBIDDEN = 403 "Forbidden";
    NOT_FOUND = 404 "Not found";
    NOT_ALLOWED = 405 "Command not allowed";
    NOT_SUPPORTED = 406 "Optional feature not supported";
    MISSING_CREDENTIALS = 407 "Authentication required";
    REQUEST_TIMEOUT = 408 "Request timeout";
    CONFLICT = 409 "Conflict";
    SIZE_REQUIRED = 411 "Size required";
    INCOMPLETE = 412 "Incomplete command";
    TOO_LARGE = 413 "Request entity too large";
    URI_TOO_LONG = 414 "URI too long";
    UNSUPPORTED_TYPE = 415 "Unsupported media type or format";
    SIZE_TOO_BIG = 416 "Requested size too big";
    RETRY_LATER = 417 "Retry later";
    ALREADY_EXISTS = 418 "Already exists";
    DEVICE_FULL = 420 "Device full";
    SIZE_MISMATCH = 424 "Size mismatch";
    PERMISSION_DENIED = 425 "Permission denied";
    COMMAND_FAILED = 500 "Command failed";
    NOT_IMPLEMENTED = 501 "Command not implemented";
    BUSY = 503 "Service unavailable";
    DTD_NOT_SUPPORTED = 505 "DTD version not supported";
    PROCESSING_ERROR = 506 "Processing error";
    ATOMIC_FAILED = 507 "Atomic failed";
    STORE_FAILURE = 510 "Data store failure";
    PROTOCOL_NOT_SUPPORTED = 513 "Protocol version not supported";
    ROLL_BACK_FAILED = 516 "Atomic roll back failed";
    ATOMIC_RESPONSE_TOO_LARGE = 517 "Atomic response too large to fit";
}

impl StatusCode {
    /// Whether the command was done, or accepted to be done. An unnamed code counts by its first digit.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2 && !matches!(self, Self::CANCELLED | Self::NOT_EXECUTED | Self::ROLLED_BACK)
    }

    /// Whether more will be said about the same command: work in progress, or a chunk of an object.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.0 / 100 != 1 && !matches!(self, Self::CHUNK_ACCEPTED)
    }

    /// Whether the receiver wants credentials, or other ones: 401 and 407.
    #[must_use]
    pub const fn is_challenge(self) -> bool {
        matches!(self, Self::UNAUTHORIZED | Self::MISSING_CREDENTIALS)
    }
}

codes! { AlertCode:
    DISPLAY = 1100 "Display";
    CONFIRM = 1101 "Confirm or reject";
    TEXT_INPUT = 1102 "Text input";
    SINGLE_CHOICE = 1103 "Single choice";
    MULTIPLE_CHOICE = 1104 "Multiple choice";
    SERVER_INITIATED = 1200 "Server-initiated management";
    CLIENT_INITIATED = 1201 "Client-initiated management";
    NEXT_MESSAGE = 1222 "Next message";
    SESSION_ABORT = 1223 "Session abort";
    CLIENT_EVENT = 1224 "Client event";
    NO_END_OF_DATA = 1225 "No end of data";
    GENERIC = 1226 "Generic alert";
}

impl AlertCode {
    /// Whether the alert asks for the user's attention: 1100 to 1199 [DM RepPro 1.2, 7].
    #[must_use]
    pub const fn is_user_interaction(self) -> bool {
        self.0 / 100 == 11
    }

    /// Whether the alert opens a session: 1200 and 1201.
    #[must_use]
    pub const fn is_session_start(self) -> bool {
        matches!(self, Self::SERVER_INITIATED | Self::CLIENT_INITIATED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_a_name_is_kept_and_counts_by_its_first_digit() {
        let rooted = StatusCode(450);
        assert_eq!((alloc::format!("{rooted}"), rooted.is_success(), rooted.name()), ("450".into(), false, None));
        assert!(StatusCode(299).is_success());
    }

    #[test]
    fn undone_and_skipped_are_no_success() {
        for code in [StatusCode::CANCELLED, StatusCode::NOT_EXECUTED, StatusCode::ROLLED_BACK] {
            assert!(!code.is_success(), "{code:?}");
        }
        assert!(!StatusCode::CHUNK_ACCEPTED.is_final() && StatusCode::OK.is_final());
    }
}
