//! Connections to others, kept for the next request.

use std::{error::Error, fmt, io, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, uri::Scheme};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

/// Octets of a response's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a connection is kept for the next message: shorter than servers keep theirs, so that no message meets a
/// connection which is just being closed.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// Who this is.
pub(crate) const USER_AGENT_OWN: HeaderValue =
    HeaderValue::from_static(concat!("transport-http/", env!("CARGO_PKG_VERSION")));

/// What the causes of an error are kept in.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a request got no response. It may have been delivered all the same, unless there was no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsent {
    /// There is no connection.
    #[error("no connection")]
    Connect(#[source] Cause),
    /// The server's certificate is not one to believe.
    #[error("the server's certificate is refused")]
    Certificate(#[source] rustls::Error),
    /// The connection broke before the response was there.
    #[error("the connection broke")]
    Broken(#[source] Cause),
}

/// Sends requests over `http` and `https`, and keeps connections for the next ones. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct Outgoing(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Outgoing {
    /// Believes servers whose certificates come from the authorities that browsers believe (Mozilla's list, as of this
    /// build).
    ///
    /// # Errors
    /// The cryptography at hand has none of the protocol versions, which does not happen with the default features.
    pub fn new() -> Result<Self, rustls::Error> {
        let ring = rustls::crypto::ring::default_provider();
        let roots = HttpsConnectorBuilder::new().with_provider_and_webpki_roots(ring)?;
        Ok(Self::over(roots.https_or_http().enable_http1().build()))
    }

    /// Believes whom `tls` believes, and shows the certificate that `tls` has for the client.
    #[must_use]
    pub fn with_tls(mut tls: rustls::ClientConfig) -> Self {
        // It is spoken anyway, and the connector takes no list.
        tls.alpn_protocols.clear();
        Self::over(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build())
    }

    fn over(connector: HttpsConnector<HttpConnector>) -> Self {
        let mut client = Client::builder(TokioExecutor::new());
        client
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .http1_max_buf_size(HEAD_BYTES_MAX);
        Self(client.build(connector))
    }

    /// The response's head; its body is yet to come.
    pub(crate) async fn request(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Unsent> {
        self.0.request(request).await.map_err(|error| match refused_certificate(&error) {
            Some(refused) => Unsent::Certificate(refused),
            None if error.is_connect() => Unsent::Connect(error.into()),
            None => Unsent::Broken(error.into()),
        })
    }
}

/// Connections and TLS are no use in a log.
impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

/// Whether a request can be sent there at all.
pub(crate) fn is_postable(url: &Uri) -> bool {
    let scheme = url.scheme();
    (scheme == Some(&Scheme::HTTP) || scheme == Some(&Scheme::HTTPS)) && url.host().is_some_and(|host| !host.is_empty())
}

/// The certificate error in `error`, if that is what it comes from. An `io::Error` hides what is in it from `source`.
fn refused_certificate(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<rustls::Error>() {
            Some(refused @ rustls::Error::InvalidCertificate(_)) => return Some(refused.clone()),
            Some(_) => return None,
            None => {}
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use rustls::CertificateError;

    use super::*;

    #[test]
    fn a_certificate_error_is_found_however_deep_it_is_wrapped() {
        let refused = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refused.clone()));
        assert_eq!(refused_certificate(&wrapped), Some(refused));
        assert_eq!(refused_certificate(&io::Error::other(rustls::Error::DecryptError)), None);
        assert_eq!(refused_certificate(&io::Error::from(io::ErrorKind::NotFound)), None);
    }
}
