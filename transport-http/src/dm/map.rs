//! HTTP parts to packets and back; pure [digest 7.1 and 8].
//!
//! One message in the body of a POST, the reply in the body of the response. What a message's header fields say is read
//! and written here and nowhere else.

use bytes::Bytes;
use core_kit::Millis;
use dm_core::{Packet, auth::MacField, fault::PeerFault, wire::Encoding};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER,
        TRANSFER_ENCODING,
    },
    request::Parts,
};

use crate::{body::Unread, limits::Limits, peer::Identity};

/// Which names a peer has for DM messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// `application/vnd.syncml.dm+xml` and `+wbxml`: the names of device management.
    #[default]
    Dm,
    /// `application/vnd.syncml+xml` and `+wbxml`: the names of data synchronisation, which some DM clients use.
    Plain,
}

/// What a body is: a message, under a name of this family, in this encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Under which names.
    pub family: Family,
    /// How it is written.
    pub encoding: Encoding,
}

impl MediaType {
    const NAMES: [(&'static str, Self); 4] = [
        ("application/vnd.syncml.dm+xml", Self::new(Family::Dm, Encoding::Xml)),
        ("application/vnd.syncml.dm+wbxml", Self::new(Family::Dm, Encoding::Wbxml)),
        ("application/vnd.syncml+xml", Self::new(Family::Plain, Encoding::Xml)),
        ("application/vnd.syncml+wbxml", Self::new(Family::Plain, Encoding::Wbxml)),
    ];

    /// A media type.
    #[must_use]
    pub const fn new(family: Family, encoding: Encoding) -> Self {
        Self { family, encoding }
    }

    /// As in `Content-Type`, without parameters: some clients compare it as text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, media_type)| *media_type == self);
        named.map_or("application/octet-stream", |(name, _)| name)
    }

    /// The media type that a `Content-Type` names; letters of either case, and parameters that are not known count for
    /// nothing.
    ///
    /// # Errors
    /// It is none of a message, or it is XML in a character set other than UTF-8. WBXML names its own.
    pub fn parse(text: &str) -> Result<Self, Unsupported> {
        let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
        let named = Self::NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence.trim()));
        let media_type = named.map(|(_, media_type)| *media_type).ok_or(Unsupported::MediaType)?;
        let charsets = parameters.split(';').filter_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
        });
        let is_utf8 = |charset: &str| ["utf-8", "utf8", "us-ascii"].iter().any(|c| c.eq_ignore_ascii_case(charset));
        match media_type.encoding {
            Encoding::Xml if !charsets.into_iter().all(is_utf8) => Err(Unsupported::Charset),
            _ => Ok(media_type),
        }
    }

    /// The media type of a message with these header fields.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); or the body is compressed, which is never accepted: small bombs unpack to large
    /// messages.
    pub fn of(headers: &HeaderMap) -> Result<Self, Unsupported> {
        let coded = headers.get_all(CONTENT_ENCODING).iter().any(|coding| !is_identity(coding));
        if coded {
            return Err(Unsupported::ContentCoding);
        }
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        match (types.next(), types.next()) {
            (Some(only), None) => Self::parse(only.to_str().map_err(|_| Unsupported::MediaType)?),
            _ => Err(Unsupported::MediaType),
        }
    }
}

fn is_identity(coding: &HeaderValue) -> bool {
    let named = coding.to_str().unwrap_or("?");
    named.split(',').all(|coding| coding.trim().is_empty() || coding.trim().eq_ignore_ascii_case("identity"))
}

/// What about a body is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// `Content-Type` is missing, doubled, or not one of a message.
    #[error("the media type is not one of SyncML")]
    MediaType,
    /// XML in a character set other than UTF-8.
    #[error("the character set is not UTF-8")]
    Charset,
    /// `Content-Encoding` other than `identity`.
    #[error("the content is compressed")]
    ContentCoding,
}

/// Why a request gets no message in reply. The texts say what is wrong and never what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not a POST: 405.
    #[error("only POST is served")]
    Method,
    /// 415.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Neither a length nor chunks: 411.
    #[error("the request has no length")]
    LengthRequired,
    /// The body is larger than the server takes: 413.
    #[error("the message is too large")]
    TooLarge,
    /// The body did not come in time: 408.
    #[error("the message came too slowly")]
    TooSlow,
    /// The body ended early, or its chunks are broken: 400.
    #[error("the message is incomplete")]
    Incomplete,
    /// The message cannot be answered with a message: 400.
    #[error("{}", Named(.0))]
    Refused(PeerFault),
    /// Too many wrong credentials for this device or from this address; the next ones are judged after this time: 429.
    #[error("too many wrong credentials")]
    Throttled(Millis),
    /// The store or what answers questions is out of reach, or other nodes were faster every time: 503.
    #[error("try again later")]
    Unavailable,
    /// Something in this server is broken and will be next time: 500.
    #[error("internal error")]
    Internal,
}

impl From<Unread> for Rejection {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::TooSlow => Self::TooSlow,
            Unread::Incomplete => Self::Incomplete,
        }
    }
}

/// A fault in words that hold nothing of what the peer wrote.
struct Named<'a>(&'a PeerFault);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            // The element names in it are those of the specification.
            fault @ PeerFault::Malformed { .. } => fault.fmt(f),
            other => write!(f, "message not acceptable: {}", other.name()),
        }
    }
}

impl Rejection {
    /// The status that tells the client.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Incomplete | Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether octets of the request may still be on their way, so that the connection is of no further use.
    const fn leaves_body_unread(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::Throttled(_) | Self::Unavailable | Self::Internal)
    }

    /// The response: a short text and no message.
    #[must_use]
    pub fn response<B: From<String>>(&self, limits: &Limits) -> Response<B> {
        let mut response = Response::new(B::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, UNCACHED);
        match self {
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            Self::Unsupported(_) => {
                headers.insert(ACCEPT, ACCEPTED);
            }
            Self::Unavailable => {
                headers.insert(RETRY_AFTER, in_seconds(limits.retry_after_ms));
            }
            Self::Throttled(wait) => {
                headers.insert(RETRY_AFTER, in_seconds(*wait));
            }
            _ => {}
        }
        if self.leaves_body_unread() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Rounded up: to come back early would be in vain.
fn in_seconds(Millis(wait): Millis) -> HeaderValue {
    HeaderValue::from(wait.div_ceil(1000))
}

const UNCACHED: HeaderValue = HeaderValue::from_static("no-store, private");
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/vnd.syncml.dm+xml, application/vnd.syncml.dm+wbxml");

/// What a request's head says of its body, before the body is read.
///
/// # Errors
/// [`Rejection::Method`], [`Rejection::Unsupported`], [`Rejection::LengthRequired`], [`Rejection::TooLarge`].
pub fn request_head(parts: &Parts, message_bytes_max: usize) -> Result<MediaType, Rejection> {
    if parts.method != Method::POST {
        return Err(Rejection::Method);
    }
    let media_type = MediaType::of(&parts.headers)?;
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if usize::try_from(length).map_or(true, |length| length > message_bytes_max) => {
            Err(Rejection::TooLarge)
        }
        None if !parts.headers.contains_key(TRANSFER_ENCODING) => Err(Rejection::LengthRequired),
        _ => Ok(media_type),
    }
}

/// The packet of a request whose body has been read.
#[must_use]
pub fn packet(media_type: MediaType, parts: &Parts, body: Bytes) -> Packet {
    let packet = received(media_type.encoding, &parts.headers, body);
    match parts.extensions.get::<Identity>() {
        Some(Identity(subject)) => packet.from_identity(subject.as_str()),
        None => packet,
    }
}

/// The packet of a request or a response with these header fields.
#[must_use]
pub fn received(encoding: Encoding, headers: &HeaderMap, body: Bytes) -> Packet {
    let packet = Packet::new(encoding, body);
    // A field that is a list may come in several lines.
    let lines: Vec<_> = headers.get_all(MacField::NAME).iter().map(|line| text_of(line)).collect();
    if lines.is_empty() { packet } else { packet.with_mac(lines.join(", ")) }
}

/// A name may have letters that HTTP knows nothing of; what is no UTF-8 is no name.
fn text_of(value: &HeaderValue) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// Puts the header field `x-syncml-hmac` to the others. A field that cannot be one stays away: the peer then asks for it.
fn put_mac(headers: &mut HeaderMap, packet: &Packet) {
    let value = packet.mac.as_ref().and_then(|mac| HeaderValue::from_bytes(mac.as_str().as_bytes()).ok());
    headers.extend(value.map(|value| (HeaderName::from_static(MacField::NAME), value)));
}

/// The response that carries `reply`, under a name of the family that the request used.
#[must_use]
pub fn response<B: From<Bytes>>(family: Family, reply: &Packet) -> Response<B> {
    let mut response = Response::new(B::from(reply.body.to_bytes()));
    let headers = response.headers_mut();
    let media_type = MediaType::new(family, reply.encoding).as_str();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, UNCACHED);
    put_mac(headers, reply);
    response
}

/// The header fields of a request that carries `packet`; length and host are the HTTP client's business.
#[must_use]
pub fn request_headers(family: Family, packet: &Packet) -> HeaderMap {
    let media_type = |encoding| HeaderValue::from_static(MediaType::new(family, encoding).as_str());
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, media_type(packet.encoding));
    headers.insert(ACCEPT, media_type(packet.encoding));
    headers.insert(CACHE_CONTROL, UNCACHED);
    put_mac(&mut headers, packet);
    headers
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const DM_XML: MediaType = MediaType::new(Family::Dm, Encoding::Xml);
    const PLAIN_XML: MediaType = MediaType::new(Family::Plain, Encoding::Xml);
    const DM_WBXML: MediaType = MediaType::new(Family::Dm, Encoding::Wbxml);
    const PLAIN_WBXML: MediaType = MediaType::new(Family::Plain, Encoding::Wbxml);

    #[test]
    fn media_types_of_both_families_are_known_in_any_spelling() {
        for (text, media_type) in [
            ("application/vnd.syncml.dm+xml", DM_XML),
            ("application/vnd.syncml.dm+wbxml", DM_WBXML),
            ("application/vnd.syncml+xml", PLAIN_XML),
            ("application/vnd.syncml+wbxml", PLAIN_WBXML),
            ("Application/VND.SyncML.DM+XML", DM_XML),
            (" application/vnd.syncml+xml ", PLAIN_XML),
            ("application/vnd.syncml.dm+xml; charset=utf-8", DM_XML),
            ("application/vnd.syncml.dm+xml;CHARSET=\"UTF-8\"", DM_XML),
            ("application/vnd.syncml.dm+xml;charset=us-ascii", DM_XML),
            ("application/vnd.syncml.dm+xml;verproto=\"DM/1.2\";verdtd=1.2; colour=red;", DM_XML),
            ("application/vnd.syncml.dm+wbxml;charset=iso-8859-1", DM_WBXML),
        ] {
            assert_eq!(MediaType::parse(text), Ok(media_type), "{text}");
        }
    }

    #[test]
    fn other_media_types_and_character_sets_are_not_supported() {
        for (text, why) in [
            ("text/xml", Unsupported::MediaType),
            ("", Unsupported::MediaType),
            (";charset=utf-8", Unsupported::MediaType),
            ("application/vnd.syncml.dm", Unsupported::MediaType),
            ("application/vnd.syncml.dm+xml2", Unsupported::MediaType),
            ("application/vnd.syncml.dm+xml; charset=utf-16", Unsupported::Charset),
            ("application/vnd.syncml.dm+xml; charset=", Unsupported::Charset),
            ("application/vnd.syncml+xml; charset=utf-8; charset=latin1", Unsupported::Charset),
        ] {
            assert_eq!(MediaType::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn every_media_type_is_read_as_it_is_written() {
        for media_type in [DM_XML, DM_WBXML, PLAIN_XML, PLAIN_WBXML] {
            assert_eq!(MediaType::parse(media_type.as_str()), Ok(media_type));
        }
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
        let request = headers
            .iter()
            .fold(Request::builder().method(method), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_head_is_judged_before_the_body_is_read() {
        let dm = ("content-type", "application/vnd.syncml.dm+xml");
        let unsupported = |why| Err(Rejection::Unsupported(why));
        for (method, headers, expected) in [
            ("POST", vec![dm, ("content-length", "10")], Ok(DM_XML)),
            ("POST", vec![dm, ("transfer-encoding", "chunked")], Ok(DM_XML)),
            ("GET", vec![dm, ("content-length", "10")], Err(Rejection::Method)),
            ("PUT", vec![], Err(Rejection::Method)),
            ("POST", vec![dm], Err(Rejection::LengthRequired)),
            ("POST", vec![dm, ("content-length", "11")], Err(Rejection::TooLarge)),
            ("POST", vec![dm, ("content-length", "18446744073709551615")], Err(Rejection::TooLarge)),
            ("POST", vec![("content-length", "1")], unsupported(Unsupported::MediaType)),
            ("POST", vec![dm, dm, ("content-length", "1")], unsupported(Unsupported::MediaType)),
            ("POST", vec![dm, ("content-encoding", "gzip")], unsupported(Unsupported::ContentCoding)),
            ("POST", vec![dm, ("content-encoding", "identity, br")], unsupported(Unsupported::ContentCoding)),
            ("POST", vec![dm, ("content-encoding", "Identity"), ("content-length", "1")], Ok(DM_XML)),
        ] {
            assert_eq!(request_head(&head(method, &headers), 10), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn a_rejection_names_itself_and_what_would_do() {
        let limits = Limits::DEFAULT;
        let of = |rejection: Rejection| rejection.response::<String>(&limits);
        assert_eq!(of(Rejection::Method).headers()[ALLOW], "POST");
        assert_eq!(of(Rejection::Unavailable).headers()[RETRY_AFTER], "5");
        assert_eq!(of(Rejection::TooLarge).headers()[CONNECTION], "close");
        assert_eq!(of(Rejection::Unsupported(Unsupported::MediaType)).headers()[ACCEPT], ACCEPTED);
        assert!(!of(Rejection::Refused(PeerFault::NotPackageOne)).headers().contains_key(CONNECTION));
        assert_eq!(of(Rejection::Internal).headers()[CACHE_CONTROL], "no-store, private");
    }

    #[test]
    fn a_refusal_says_nothing_of_what_was_sent() {
        let fault = PeerFault::DtdVersion("<script>".into());
        let response = Rejection::Refused(fault).response::<String>(&Limits::DEFAULT);
        assert_eq!(
            (response.status().as_u16(), response.body().as_str()),
            (400, "message not acceptable: dtd-version\n")
        );
    }

    #[test]
    fn a_reply_has_the_family_of_the_request_and_its_own_encoding() {
        let reply = Packet::new(Encoding::Wbxml, vec![2, 3]);
        let response: Response<Bytes> = response(Family::Plain, &reply);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/vnd.syncml+wbxml");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store, private");
        assert_eq!(response.body().as_ref(), [2, 3]);
    }

    #[test]
    fn whom_the_transport_knows_is_in_the_packet() {
        let mut parts = head("POST", &[]);
        assert_eq!(packet(DM_XML, &parts, Bytes::new()).identity, None);
        parts.extensions.insert(Identity("CN=device".into()));
        assert_eq!(packet(DM_XML, &parts, Bytes::new()).identity.as_deref(), Some("CN=device"));
    }

    #[test]
    fn a_mac_is_carried_in_its_header_field_in_both_directions() {
        let packet = Packet::xml(&b"<SyncML/>"[..]).with_mac("username=\"\u{fc}ser\", mac=AAAA");
        for headers in [request_headers(Family::Dm, &packet), response::<Bytes>(Family::Dm, &packet).headers().clone()]
        {
            let carried = received(Encoding::Xml, &headers, packet.body.to_bytes());
            assert_eq!(carried, packet);
        }
        // A list in two lines is one list, and what cannot be a header field is left out.
        let mut headers = HeaderMap::new();
        headers.append("X-SyncML-HMAC", HeaderValue::from_static("mac=AAAA"));
        headers.append("X-SyncML-HMAC", HeaderValue::from_static("username=u"));
        let mac = received(Encoding::Xml, &headers, Bytes::new()).mac.unwrap();
        assert_eq!(mac.as_str(), "mac=AAAA, username=u");
        let broken = Packet::xml(&b"<SyncML/>"[..]).with_mac("username=\"\r\nX: y\"");
        assert!(!request_headers(Family::Dm, &broken).contains_key(MacField::NAME));
    }

    #[test]
    fn a_request_names_what_it_carries_and_takes_the_same_back() {
        let headers = request_headers(Family::Dm, &Packet::xml("<a/>".to_owned()));
        assert_eq!(headers[CONTENT_TYPE], "application/vnd.syncml.dm+xml");
        assert_eq!(headers[ACCEPT], headers[CONTENT_TYPE]);
        assert_eq!(headers[CACHE_CONTROL], "no-store, private");
    }
}
