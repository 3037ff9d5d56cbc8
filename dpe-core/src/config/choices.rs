//! The choices that parameters offer. One that is not listed is refused when a configuration is read.

use serde::{Deserialize, Serialize};

/// How long a Client-ID lives [DPE 6.1].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// A new one at each registration.
    PerRegistration,
    /// One for each pair of user and device.
    PerUserDevice,
    /// One for the device, for ever.
    PerDevice,
}

/// When the settings of a client are established again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsSync {
    /// After a device change.
    OnChange,
    /// After every registration of a client that has any.
    Always,
}

/// What is done with a message that deserves no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadInput {
    /// It is answered with its code.
    Error,
    /// Nothing.
    Ignore,
}

/// What is done with a request without `SP-ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingSpId {
    /// Nothing.
    Ignore,
    /// It is answered with 33.
    Error,
    /// It is answered with 33 if it comes from the address of a registered SP.
    ErrorIfKnownIp,
}

/// What is done when a client cannot be identified [DPE 7.3.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The client is told by a `DPE_Error`; later entries of the list still apply.
    Error,
    /// The outstanding request is sent again.
    Retry,
    /// The client must register again; then the request is sent again.
    Reregister,
    /// Nothing.
    Ignore,
}

/// How an SP gets its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// As the reply to its request.
    Sync,
    /// At its callback address.
    Callback,
}

/// How requests are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowAlgorithm {
    /// Over the time just passed.
    Sliding,
    /// From one multiple of the window to the next.
    Fixed,
}

/// Within what the identifiers of groups and policies of DPE-3 are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdScope {
    /// One SP.
    Sp,
    /// One SP and one client.
    SpAndClient,
}

/// When the duration of a policy begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurationStart {
    /// With the client's acknowledgement.
    Ack,
    /// With the SP's request.
    Request,
}

/// What is answered without asking the client [DPE 7.4].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Nothing.
    Off,
    /// The listed properties while they are fresh.
    SemiDynamic,
    /// Everything, from a profile that was read when the session began.
    StaticProfile,
}

/// Which settings follow a user to another device [DPE 8.2.2].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restore {
    /// All that the new device does not refuse.
    User,
    /// None.
    None,
    /// Those that the embedder lets through; it is asked.
    Filter,
}

/// What an SP gets that names an obsolete Client-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObsoleteAction {
    /// 12.
    ErrorOnly,
    /// 12 and, once, a Client ID report.
    ErrorAndReport,
}

/// Who is told of a changed Client-ID [DPE 8.2.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// SPs with a group, a policy or a dialogue there, or that asked for the Client-ID.
    Related,
    /// Every SP.
    All,
    /// Nobody.
    None,
}

/// How "ignore" looks in HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoreStyle {
    /// The connection is closed without a reply.
    Close,
    /// 403 with an empty body.
    StatusOnly,
}
