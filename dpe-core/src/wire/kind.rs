//! The 24 messages, and which information elements each of them has.

use core::fmt;

use serde::{Deserialize, Serialize};

/// An information element, in the order in which elements are written [DPE digest 6.1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// `Message-ID`.
    MessageId,
    /// `SP-ID`.
    SpId,
    /// `User-Identity` as a bag.
    Users,
    /// `Client-ID`.
    ClientId,
    /// `Client-ID` as a bag.
    Clients,
    /// `Replaces-Client-ID`.
    Replaces,
    /// `Device-Identity`, also spelt `IMEI`.
    DeviceIdentity,
    /// `User-Identity`, also spelt `MSISDN`.
    UserIdentity,
    /// `DPE-Version`.
    DpeVersion,
    /// `Contact`.
    Contact,
    /// `Reason`.
    Reason,
    /// `Query-Key`.
    QueryKey,
    /// `Policy-ID`.
    PolicyId,
    /// `Group-ID`.
    GroupId,
    /// `Property-Name`.
    PropertyName,
    /// `Policy-Type`.
    PolicyType,
    /// `Policy-Parameter`.
    PolicyParameter,
    /// `Duration`.
    Duration,
    /// `Property-Result`.
    PropertyResult,
    /// `Timestamp`.
    Timestamp,
    /// `Sequence`.
    Sequence,
    /// `Offending-Type`.
    OffendingType,
    /// `Status`.
    Status,
    /// `Security-Token`.
    SecurityToken,
}

impl Element {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageId => "Message-ID",
            Self::SpId => "SP-ID",
            Self::Users | Self::UserIdentity => "User-Identity",
            Self::ClientId | Self::Clients => "Client-ID",
            Self::Replaces => "Replaces-Client-ID",
            Self::DeviceIdentity => "Device-Identity",
            Self::DpeVersion => "DPE-Version",
            Self::Contact => "Contact",
            Self::Reason => "Reason",
            Self::QueryKey => "Query-Key",
            Self::PolicyId => "Policy-ID",
            Self::GroupId => "Group-ID",
            Self::PropertyName => "Property-Name",
            Self::PolicyType => "Policy-Type",
            Self::PolicyParameter => "Policy-Parameter",
            Self::Duration => "Duration",
            Self::PropertyResult => "Property-Result",
            Self::Timestamp => "Timestamp",
            Self::Sequence => "Sequence",
            Self::OffendingType => "Offending-Type",
            Self::Status => "Status",
            Self::SecurityToken => "Security-Token",
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal: [$($element:ident)*];)+) => {
        /// Which message [DPE digest 2.0].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// All 24.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The value of `Message-Type`, which is the name of the root too.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The elements that the message may have, in the order in which they are written.
            #[must_use]
            pub const fn elements(self) -> &'static [Element] {
                match self { $(Self::$kind => &[$(Element::$element),*],)+ }
            }
        }
    };
}

kinds! {
    /// Client to server, DPE-1.
    RegisterRequest = "DPE_Register_Request":
        [MessageId DeviceIdentity UserIdentity DpeVersion Contact SecurityToken];
    /// Server to client, DPE-1.
    RegisterResponse = "DPE_Register_Response": [MessageId ClientId DpeVersion Status SecurityToken];
    /// Client to server, DPE-1.
    RegisterSuccess = "DPE_Register_Success": [MessageId ClientId Status SecurityToken];
    /// Server to client, DPE-1.
    RegisterCommand = "DPE_Register_Command": [ClientId Reason SecurityToken];
    /// Towards the client.
    PropertyQuery = "DPE_Property_Query": [MessageId SpId ClientId PropertyName];
    /// From the client.
    PropertyResult = "DPE_Property_Result": [MessageId SpId ClientId PropertyResult Status SecurityToken];
    /// Towards the client.
    GroupQuery = "DPE_Group_Query": [MessageId SpId ClientId GroupId];
    /// From the client.
    GroupResult = "DPE_Group_Result": [MessageId SpId ClientId GroupId PropertyResult Status SecurityToken];
    /// Towards the client.
    GroupSet = "DPE_Group_Set": [MessageId SpId ClientId GroupId PropertyName];
    /// From the client.
    GroupSetAck = "DPE_Group_Set_Ack": [MessageId SpId ClientId GroupId Status SecurityToken];
    /// Towards the client.
    GroupRelease = "DPE_Group_Release": [MessageId SpId ClientId GroupId];
    /// From the client.
    GroupReleaseAck = "DPE_Group_Release_Ack": [MessageId SpId ClientId GroupId Status SecurityToken];
    /// Towards the client.
    PropertyPolicySet = "DPE_Property_Policy_Set":
        [MessageId SpId ClientId PolicyId PropertyName PolicyType PolicyParameter Duration];
    /// From the client.
    PropertyPolicySetAck = "DPE_Property_Policy_Set_Ack": [MessageId SpId ClientId PolicyId Status SecurityToken];
    /// Towards the client.
    GroupPolicySet = "DPE_Group_Policy_Set":
        [MessageId SpId ClientId PolicyId GroupId PolicyType PolicyParameter Duration];
    /// From the client.
    GroupPolicySetAck = "DPE_Group_Policy_Set_Ack": [MessageId SpId ClientId PolicyId Status SecurityToken];
    /// Towards the client, for policies of both kinds.
    PolicyRelease = "DPE_Policy_Release": [MessageId SpId ClientId PolicyId];
    /// From the client.
    PolicyReleaseAck = "DPE_Policy_Release_Ack": [MessageId SpId ClientId PolicyId Status SecurityToken];
    /// From the client, unasked.
    PropertyReport = "DPE_Property_Report":
        [MessageId SpId ClientId PolicyId PropertyResult Timestamp Sequence Status SecurityToken];
    /// From the client, unasked.
    GroupReport = "DPE_Group_Report":
        [MessageId SpId ClientId PolicyId GroupId PropertyResult Timestamp Sequence Status SecurityToken];
    /// Either way on DPE-2, where no answer fits.
    Error = "DPE_Error": [MessageId ClientId OffendingType Status SecurityToken];
    /// SP to server.
    ClientIdQuery = "DPE_Client_ID_Query": [MessageId SpId QueryKey];
    /// Server to SP.
    ClientIdResponse = "DPE_Client_ID_Response": [MessageId SpId Clients Status];
    /// Server to SP, unasked.
    ClientIdReport = "DPE_Client_ID_Report": [MessageId SpId Users Clients Replaces];
}

impl Kind {
    /// The message of this name, in this very case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The message that answers this one, where one does [DPE digest 2.0].
    #[must_use]
    pub const fn answer(self) -> Option<Self> {
        Some(match self {
            Self::RegisterRequest | Self::RegisterSuccess => Self::RegisterResponse,
            Self::PropertyQuery => Self::PropertyResult,
            Self::GroupQuery => Self::GroupResult,
            Self::GroupSet => Self::GroupSetAck,
            Self::GroupRelease => Self::GroupReleaseAck,
            Self::PropertyPolicySet => Self::PropertyPolicySetAck,
            Self::GroupPolicySet => Self::GroupPolicySetAck,
            Self::PolicyRelease => Self::PolicyReleaseAck,
            Self::ClientIdQuery => Self::ClientIdResponse,
            _ => return None,
        })
    }

    /// Whether a client may send it on DPE-2.
    #[must_use]
    pub const fn is_from_client(self) -> bool {
        matches!(
            self,
            Self::PropertyResult
                | Self::GroupResult
                | Self::GroupSetAck
                | Self::GroupReleaseAck
                | Self::PropertyPolicySetAck
                | Self::GroupPolicySetAck
                | Self::PolicyReleaseAck
                | Self::PropertyReport
                | Self::GroupReport
                | Self::Error
        )
    }

    /// Whether it is a request that goes to a client on DPE-2, and that an SP may send on DPE-3.
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(
            self,
            Self::PropertyQuery
                | Self::GroupQuery
                | Self::GroupSet
                | Self::GroupRelease
                | Self::PropertyPolicySet
                | Self::GroupPolicySet
                | Self::PolicyRelease
        )
    }

    /// Whether it is a report of a policy.
    #[must_use]
    pub const fn is_report(self) -> bool {
        matches!(self, Self::PropertyReport | Self::GroupReport)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_24_messages_with_names_of_their_own() {
        assert_eq!(Kind::ALL.len(), 24);
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(*kind));
        }
        assert_eq!(Kind::from_name("dpe_group_set"), None);
    }

    #[test]
    fn elements_are_listed_in_the_order_of_the_wire() {
        for kind in Kind::ALL {
            assert!(kind.elements().is_sorted(), "{kind}");
        }
    }

    #[test]
    fn every_request_has_its_answer_and_no_answer_has_one() {
        for kind in Kind::ALL.iter().filter(|kind| kind.is_request()) {
            let answer = kind.answer().unwrap();
            assert!(answer.is_from_client(), "{kind}");
            assert_eq!(answer.answer(), None, "{kind}");
        }
    }
}
