//! How a device's messages get to its server, whatever the bearer.

use async_trait::async_trait;
use core_kit::Millis;
use dm_core::{
    Packet,
    client::{Failure, Request},
};
use http::StatusCode;

use crate::dm::map::Unsupported;

/// Delivers one message and brings back the reply. HTTP is [`HttpTransport`](crate::dm::HttpTransport); implement this for
/// another bearer.
///
/// ```
/// use async_trait::async_trait;
/// use dm_core::{Packet, client::{Failure, Request}};
/// use transport_http::dm::transport::{Transport, Undelivered};
///
/// /// Says everything twice.
/// struct Twice<T>(T);
///
/// #[async_trait]
/// impl<T: Transport> Transport for Twice<T> {
///     async fn exchange(&self, request: &Request) -> Result<Packet, Undelivered> {
///         match self.0.exchange(request).await {
///             Err(error) if error.failure() == Failure::Temporary => self.0.exchange(request).await,
///             done => done,
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Transport: Send + Sync {
    /// Sends `request` and gives the reply. The session sends again by itself; a transport need not.
    ///
    /// It is dropped when the session waits no longer. Where [`Request::wants_reply`] is false the outcome does not
    /// count, but the message is worth a try.
    ///
    /// # Errors
    /// There is no reply. [`Undelivered::failure`] says whether another try is worth while.
    async fn exchange(&self, request: &Request) -> Result<Packet, Undelivered>;
}

pub use crate::outgoing::Cause;

/// Why there is no reply to a message. It may have been delivered all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Undelivered {
    /// The address is none of HTTP.
    #[error("the address is not one that messages can be posted to")]
    Address,
    /// A session that began with TLS is told to go on without.
    #[error("the address gives up TLS")]
    Insecure,
    /// There is no connection.
    #[error("no connection")]
    Connect(#[source] Cause),
    /// The server's certificate is not one to believe.
    #[error("the server's certificate is refused")]
    Certificate(#[source] rustls::Error),
    /// No reply came in time.
    #[error("no reply in time")]
    TimedOut,
    /// The connection broke before the reply was there.
    #[error("the connection broke")]
    Broken(#[source] Cause),
    /// The server answered with an HTTP error.
    #[error("the server answered with HTTP status {}", status.as_u16())]
    Status {
        /// Which.
        status: StatusCode,
        /// What `Retry-After` says, where it says a number of seconds.
        retry_after: Option<Millis>,
    },
    /// One redirection too many, or one to nowhere.
    #[error("redirected in vain")]
    Redirect,
    /// What came is no message.
    #[error("the reply is no message: {0}")]
    Unsupported(#[from] Unsupported),
    /// The reply is larger than the client takes.
    #[error("the reply is too large")]
    TooLarge,
    /// Another bearer's own reason.
    #[error("the bearer failed")]
    Bearer {
        /// How badly.
        failure: Failure,
        /// Why.
        #[source]
        cause: Cause,
    },
}

impl Undelivered {
    /// Whether the same message may get through later [digest 8].
    #[must_use]
    pub fn failure(&self) -> Failure {
        match self {
            Self::Connect(_) | Self::TimedOut | Self::Broken(_) => Failure::Temporary,
            Self::Status { status, .. } if is_passing(*status) => Failure::Temporary,
            Self::Bearer { failure, .. } => *failure,
            Self::Address
            | Self::Insecure
            | Self::Certificate(_)
            | Self::Status { .. }
            | Self::Redirect
            | Self::Unsupported(_)
            | Self::TooLarge => Failure::Permanent,
        }
    }

    /// How long the server wants to be left alone.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Millis> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_temporary_where_the_server_may_think_again() {
        for (status, failure) in [
            (400, Failure::Permanent),
            (401, Failure::Permanent),
            (403, Failure::Permanent),
            (404, Failure::Permanent),
            (407, Failure::Permanent),
            (408, Failure::Temporary),
            (413, Failure::Permanent),
            (429, Failure::Temporary),
            (500, Failure::Temporary),
            (502, Failure::Temporary),
            (503, Failure::Temporary),
            (304, Failure::Permanent),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(Undelivered::Status { status, retry_after: None }.failure(), failure, "{status}");
        }
    }

    #[test]
    fn a_broken_connection_is_temporary_and_a_wrong_answer_is_not() {
        assert_eq!(Undelivered::TimedOut.failure(), Failure::Temporary);
        assert_eq!(Undelivered::Broken("reset".into()).failure(), Failure::Temporary);
        assert_eq!(Undelivered::Unsupported(Unsupported::MediaType).failure(), Failure::Permanent);
        assert_eq!(Undelivered::TooLarge.failure(), Failure::Permanent);
    }
}
