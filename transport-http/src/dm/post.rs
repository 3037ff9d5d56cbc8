//! The transport of a device over HTTP and HTTPS.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use core_kit::Millis;
use dm_core::{
    Packet,
    client::{Profile, Request},
};
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Uri,
    header::{LOCATION, RETRY_AFTER, USER_AGENT},
    uri::{PathAndQuery, Scheme},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::{
    dm::map::{self, Family, MediaType},
    dm::transport::{Transport, Undelivered},
    limits::duration,
    outgoing::{Outgoing, USER_AGENT_OWN, Unsent, is_postable},
};

/// Redirections that one message follows.
const REDIRECTS_MAX: usize = 5;
/// Messages as POST requests, over `http` and `https`.
///
/// It follows redirections 301, 302, 307 and 308 with method and body as they are, never from `https` to `http`; five at
/// most. It tries once: sending again is the session's business.
#[derive(Clone)]
pub struct HttpTransport {
    connections: Outgoing,
    family: Family,
    user_agent: HeaderValue,
    response_ms: Millis,
    message_bytes_max: usize,
}

impl HttpTransport {
    /// A transport that believes servers whose certificates come from the authorities that browsers believe (Mozilla's
    /// list, as of this build), with the profile's bounds on time and size.
    ///
    /// # Errors
    /// The cryptography at hand has none of the protocol versions, which does not happen with the default features.
    pub fn new(profile: &Profile) -> Result<Self, rustls::Error> {
        Outgoing::new().map(|connections| Self::over(profile, connections))
    }

    /// A transport that believes whom `tls` believes, and shows the certificate that `tls` has for the client.
    #[must_use]
    pub fn with_tls(profile: &Profile, tls: rustls::ClientConfig) -> Self {
        Self::over(profile, Outgoing::with_tls(tls))
    }

    /// The same, naming messages as a server of another family wants them.
    #[must_use]
    pub fn with_family(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// The same, with another `User-Agent`.
    #[must_use]
    pub fn with_user_agent(self, user_agent: HeaderValue) -> Self {
        Self { user_agent, ..self }
    }

    fn over(profile: &Profile, connections: Outgoing) -> Self {
        Self {
            connections,
            family: Family::Dm,
            user_agent: USER_AGENT_OWN,
            response_ms: profile.retry.response_ms,
            message_bytes_max: profile.wire.message_bytes_max,
        }
    }

    async fn post(&self, request: &Request) -> Result<Packet, Undelivered> {
        let mut url: Uri = request.url.parse().map_err(|_| Undelivered::Address)?;
        let mut headers = map::request_headers(self.family, &request.packet);
        headers.insert(USER_AGENT, self.user_agent.clone());
        for _ in 0..=REDIRECTS_MAX {
            let response = self.post_once(&url, &headers, request.packet.body.to_bytes()).await?;
            match response.status() {
                status if status.is_success() => return self.reply(&url, response).await,
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => url = redirected(&url, response.headers())?,
                status => {
                    let retry_after = response.headers().get(RETRY_AFTER).and_then(seconds);
                    return Err(Undelivered::Status { status, retry_after });
                }
            }
        }
        Err(Undelivered::Redirect)
    }

    async fn post_once(&self, url: &Uri, headers: &HeaderMap, body: Bytes) -> Result<Response<Incoming>, Undelivered> {
        if !is_postable(url) {
            return Err(Undelivered::Address);
        }
        let mut post = http::Request::new(Full::new(body));
        *post.method_mut() = Method::POST;
        *post.uri_mut() = url.clone();
        *post.headers_mut() = headers.clone();
        Ok(self.connections.request(post).await?)
    }

    async fn reply(&self, url: &Uri, response: Response<Incoming>) -> Result<Packet, Undelivered> {
        let MediaType { encoding, .. } = MediaType::of(response.headers())?;
        let (parts, body) = response.into_parts();
        match Limited::new(body, self.message_bytes_max).collect().await {
            Ok(body) => {
                let packet = map::received(encoding, &parts.headers, body.to_bytes());
                // The certificate was one for this name, or there would be no response.
                let host = url.host().filter(|_| url.scheme() == Some(&Scheme::HTTPS));
                Ok(match host {
                    Some(host) => packet.from_identity(host),
                    None => packet,
                })
            }
            Err(error) if error.is::<LengthLimitError>() => Err(Undelivered::TooLarge),
            Err(error) => Err(Undelivered::Broken(error)),
        }
    }
}

/// Nothing but the names of the fields: connections and TLS are no use in a log.
impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").field("family", &self.family).finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn exchange(&self, request: &Request) -> Result<Packet, Undelivered> {
        timeout(duration(self.response_ms), self.post(request)).await.unwrap_or(Err(Undelivered::TimedOut))
    }
}

impl From<Unsent> for Undelivered {
    fn from(unsent: Unsent) -> Self {
        match unsent {
            Unsent::Certificate(refused) => Self::Certificate(refused),
            Unsent::Connect(cause) => Self::Connect(cause),
            Unsent::Broken(cause) => Self::Broken(cause),
        }
    }
}

/// `Retry-After` in seconds. Where it is a date it counts for nothing: devices' clocks are often wrong.
fn seconds(value: &HeaderValue) -> Option<Millis> {
    Some(Millis::from_secs(value.to_str().ok()?.trim().parse().ok()?))
}

/// Where a redirection leads.
fn redirected(from: &Uri, headers: &HeaderMap) -> Result<Uri, Undelivered> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let to = location.and_then(|location| resolve(from, location)).ok_or(Undelivered::Redirect)?;
    if from.scheme() == Some(&Scheme::HTTPS) && to.scheme() != Some(&Scheme::HTTPS) {
        return Err(Undelivered::Insecure);
    }
    Ok(to)
}

/// A `Location`, which may leave out what stays the same [RFC 3986, 5.2].
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next()?;
    let scheme = base.scheme_str()?;
    if let Some(elsewhere) = location.strip_prefix("//") {
        return format!("{scheme}://{elsewhere}").parse().ok();
    }
    let has_scheme = location.split(['/', '?']).next()?.contains(':');
    if has_scheme {
        return location.parse().ok();
    }
    let path = match location.as_bytes().first() {
        None => base.path_and_query()?.to_string(),
        Some(b'/') => location.to_owned(),
        Some(b'?') => format!("{}{location}", base.path()),
        Some(_) => without_dots(base.path().rsplit_once('/')?.0, location),
    };
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

/// `relative` below `directory`, with `.` and `..` taken at their word.
fn without_dots(directory: &str, relative: &str) -> String {
    let (path, query) = relative.find('?').map_or((relative, ""), |at| relative.split_at(at));
    let mut names: Vec<&str> = directory.split('/').skip(1).collect();
    for name in path.split('/') {
        match name {
            "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    if path.ends_with("..") || path.ends_with('.') {
        names.push("");
    }
    format!("/{}{query}", names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_may_leave_out_what_stays_the_same() {
        let base: Uri = "https://host:8443/a/b?token=1".parse().unwrap();
        for (location, expected) in [
            ("http://other/x", "http://other/x"),
            ("https://other/x?y=http://z#part", "https://other/x?y=http://z"),
            ("//other/x", "https://other/x"),
            ("/x?y", "https://host:8443/x?y"),
            ("?y", "https://host:8443/a/b?y"),
            ("c", "https://host:8443/a/c"),
            ("./c/./d", "https://host:8443/a/c/d"),
            ("../c?d=..", "https://host:8443/c?d=.."),
            ("../../../c", "https://host:8443/c"),
            ("..", "https://host:8443/"),
            ("", "https://host:8443/a/b?token=1"),
        ] {
            assert_eq!(resolve(&base, location).unwrap().to_string(), expected, "{location}");
        }
        assert_eq!(resolve(&base, "http://"), None);
        assert_eq!(resolve(&base, "/ x"), None);
    }

    #[test]
    fn tls_is_not_given_up_on_the_way() {
        let to = |from: &str, location: &'static str| {
            let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            redirected(&from.parse().unwrap(), &headers)
        };
        assert!(matches!(to("https://a/", "http://a/"), Err(Undelivered::Insecure)));
        assert!(matches!(to("https://a/", "ftp://a/"), Err(Undelivered::Insecure)));
        assert_eq!(to("http://a/", "https://b/").unwrap(), "https://b/");
        assert!(matches!(redirected(&"http://a/".parse().unwrap(), &HeaderMap::new()), Err(Undelivered::Redirect)));
    }

    #[test]
    fn only_http_is_posted_to() {
        let postable = |url: &str| is_postable(&url.parse().unwrap());
        assert!(postable("http://a") && postable("HTTPS://a/b?c"));
        assert!(!postable("ftp://a/") && !postable("/a") && !postable("a:80"));
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_nothing() {
        let of = |text| seconds(&HeaderValue::from_static(text));
        assert_eq!(of("120"), Some(Millis(120_000)));
        assert_eq!(of("-1"), None);
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    }
}
