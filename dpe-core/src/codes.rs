//! `Status`: what became of a request [DPE, Appendix A].

use core::fmt;

use serde::{Deserialize, Serialize};

/// A value of `Status` or `Property-Status`. The space is open: an unknown number is kept and means failure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Code(pub u16);

macro_rules! codes {
    ($($name:ident = $code:literal $id:literal $means:literal;)+) => {
        impl Code {
            $(#[doc = concat!("`", $code, "`: ", $means, ".")] pub const $name: Self = Self($code);)+

            /// Every code that has a name.
            pub const NAMED: &'static [Self] = &[$(Self::$name),+];

            /// The identifier of the code, as it is written into the attribute `text` of `Status`.
            #[must_use]
            pub const fn identifier(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($id),)+
                    _ => None,
                }
            }

            /// The element that the code is about, and what is wrong with it.
            #[must_use]
            pub const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($means),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    OK = 0 "ok" "success";
    DEVICE_IDENTITY_MISSING = 1 "imei_missing" "IMEI missing";
    DEVICE_IDENTITY_ERROR = 2 "imei_error" "IMEI error";
    USER_IDENTITY_MISSING = 3 "msisdn_missing" "MSISDN missing";
    USER_IDENTITY_ERROR = 4 "msisdn_error" "MSISDN error";
    VERSION_MISSING = 5 "dpe_version_missing" "DPE version missing";
    VERSION_UNKNOWN = 6 "dpe_version_unknown" "DPE version unknown";
    TOKEN_MISSING = 7 "security_token_missing" "Security Token missing";
    TOKEN_NOT_REGISTERED = 8 "security_token_not_registered" "Security Token not registered";
    STATUS_MISSING = 9 "status_missing" "Status missing";
    STATUS_ERROR = 10 "status_error" "Status error";
    CLIENT_ID_MISSING = 11 "client_id_missing" "Client-ID missing";
    CLIENT_ID_NOT_REGISTERED = 12 "client_id_not_registered" "Client-ID not registered";
    MESSAGE_TYPE_MISSING = 13 "message_type_missing" "Message-Type missing";
    MESSAGE_TYPE_UNKNOWN = 14 "message_type_unknown" "Message-Type unknown";
    PROPERTY_NAME_MISSING = 15 "property_name_missing" "Property-Name missing";
    PROPERTY_NAME_UNKNOWN = 16 "property_name_unknown" "Property-Name unknown";
    MESSAGE_ID_MISSING = 17 "message_id_missing" "Message-ID missing";
    MESSAGE_ID_NOT_REGISTERED = 18 "message_id_not_registered" "Message-ID not registered";
    MESSAGE_ID_REPEATED = 19 "message_id_repeated" "Message-ID repeated";
    RESULT_MISSING = 20 "property_result_missing" "Property-Result missing";
    RESULT_UNKNOWN = 21 "property_result_unknown" "Property-Result unknown";
    GROUP_ID_MISSING = 22 "group_id_missing" "Group-ID missing";
    GROUP_ID_NOT_REGISTERED = 23 "group_id_not_registered" "Group-ID not registered";
    GROUP_ID_REPEATED = 24 "group_id_repeated" "Group-ID repeated";
    POLICY_ID_MISSING = 25 "policy_id_missing" "Policy-ID missing";
    POLICY_ID_NOT_REGISTERED = 26 "policy_id_not_registered" "Policy-ID not registered";
    POLICY_ID_REPEATED = 27 "policy_id_repeated" "Policy-ID repeated";
    POLICY_EXPIRED = 28 "policy_id_expired" "Policy-ID expired";
    POLICY_TYPE_MISSING = 29 "policy_type_missing" "Policy-Type missing";
    POLICY_TYPE_UNKNOWN = 30 "policy_type_unknown" "Policy-Type unknown";
    PARAMETER_MISSING = 31 "policy_parameter_missing" "Policy-Parameter missing";
    PARAMETER_UNKNOWN = 32 "policy_parameter_unknown" "Policy-Parameter unknown";
    SP_ID_MISSING = 33 "sp_id_missing" "SP-ID missing";
    SP_ID_NOT_REGISTERED = 34 "sp_id_not_registered" "SP-ID not registered";
    DURATION_FORMAT = 35 "duration_format_error" "Duration format error";
    DURATION_OVERFLOW = 36 "duration_overflow" "Duration overflow";
    SP_ADDRESS_NOT_REGISTERED = 37 "sp_ip_not_registered" "SP address not registered";
    WINDOW_OVERFLOW = 38 "time_window_overflow" "time window overflow";
    NOT_RESPONDING = 39 "client_not_responding" "DPE Client not responding";
    NOT_SUPPORTED = 40 "property_not_supported" "Property-Name not supported";
    SESSION_DECLINED = 100 "session_declined" "the client declines the session, an extension";
    INTERNAL_ERROR = 101 "internal_error" "internal error, an extension";
}

impl Code {
    /// Whether the code is [`OK`](Self::OK).
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether `Status` may have this value at all: 0, Appendix A, or the range of extensions [DPE digest 2.0].
    #[must_use]
    pub const fn is_valid(self) -> bool {
        matches!(self.0, 0..=40 | 100..=199)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.identifier().unwrap_or("(unnamed)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_1_to_40_are_all_named_and_no_other_below_100() {
        for code in 0..200 {
            let named = matches!(code, 0..=40 | 100 | 101);
            assert_eq!(Code(code).identifier().is_some(), named, "{code}");
            assert_eq!(Code(code).meaning().is_some(), named, "{code}");
        }
        let mut ids: alloc::vec::Vec<_> = Code::NAMED.iter().map(|code| code.identifier()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 43);
    }

    #[test]
    fn a_status_is_of_the_appendix_or_an_extension() {
        for (code, valid) in [(0, true), (40, true), (41, false), (99, false), (100, true), (199, true), (200, false)] {
            assert_eq!(Code(code).is_valid(), valid, "{code}");
        }
    }
}
