//! Requests and responses of this binding, taken apart and put together.

use axum::body::Body as HttpBody;
use core_kit::Body;
use dpe_core::wire::{MEDIA_TYPE, MEDIA_TYPES_READ};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
    request::Parts,
};

use crate::{
    HangUp,
    body::{self, Unread},
    limits::Limits,
};

pub(crate) const XML: HeaderValue = HeaderValue::from_static(MEDIA_TYPE);
const READ: HeaderValue = HeaderValue::from_static("application/xml, text/xml, application/x.dpe+xml");
const UNCACHED: HeaderValue = HeaderValue::from_static("no-store, private");

/// Why a request has no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// Its media type is none of a message: 415.
    Unsupported,
    /// It is larger than a message may be: 413.
    TooLarge,
    /// It did not come, or not in time. There is nobody to answer.
    Gone,
}

/// Whether the body is announced as a message in UTF-8, uncompressed [DPE digest 6.3].
pub(crate) fn is_message(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = media_type.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_read = MEDIA_TYPES_READ.iter().any(|known| known.eq_ignore_ascii_case(essence));
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    let is_plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    is_read && parts.all(is_utf8) && headers.get_all(CONTENT_ENCODING).iter().all(is_plain)
}

/// The message of a request.
pub(crate) async fn message(
    parts: &Parts,
    body: &mut HttpBody,
    bytes_max: usize,
    limits: &Limits,
) -> Result<Body, Bad> {
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_large = length.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > bytes_max));
    let read = if !is_message(&parts.headers) {
        Err(Bad::Unsupported)
    } else if is_large {
        Err(Bad::TooLarge)
    } else {
        body::read(body, bytes_max, limits).await.map(Body::from).map_err(|unread| match unread {
            Unread::TooLarge => Bad::TooLarge,
            Unread::TooSlow | Unread::Incomplete => Bad::Gone,
        })
    };
    // Whoever waits for `100 Continue` has sent nothing yet.
    if matches!(read, Err(Bad::Unsupported | Bad::TooLarge)) && !parts.headers.contains_key(EXPECT) {
        body::discard(body, bytes_max.saturating_mul(2)).await;
    }
    read
}

impl Bad {
    pub(crate) fn response(self) -> Response<HttpBody> {
        let mut response = empty(match self {
            Self::Unsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Gone => return hang_up(),
        });
        if self == Self::Unsupported {
            response.headers_mut().insert(ACCEPT, READ);
        }
        // Octets of the request may still be on their way.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// A response with this message.
pub(crate) fn reply(message: &Body) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(message.to_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, XML);
    response.headers_mut().insert(CACHE_CONTROL, UNCACHED);
    response
}

/// A response without a body.
pub(crate) fn empty(status: StatusCode) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, UNCACHED);
    response
}

/// 403 without a body, and nothing at all where [`serve`](crate::serve()) runs it.
pub(crate) fn hang_up() -> Response<HttpBody> {
    let mut response = empty(StatusCode::FORBIDDEN);
    response.extensions_mut().insert(HangUp);
    response
}

/// 405.
pub(crate) fn other_method(allowed: &'static str) -> Response<HttpBody> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in all {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn messages_have_one_of_three_media_types_in_utf_8() {
        for good in [
            "application/xml",
            "text/xml",
            "Application/X.DPE+XML",
            "application/xml; charset=utf-8",
            "text/xml;charset=\"UTF-8\"; version=1",
        ] {
            assert!(is_message(&headers(&[("content-type", good)])), "{good}");
        }
        for bad in ["", "text/plain", "application/xml+dpe", "application/xml; charset=iso-8859-1", "xml"] {
            assert!(!is_message(&headers(&[("content-type", bad)])), "{bad}");
        }
        assert!(!is_message(&headers(&[])));
        assert!(!is_message(&headers(&[("content-type", "text/xml"), ("content-type", "text/xml")])));
        assert!(!is_message(&headers(&[("content-type", "text/xml"), ("content-encoding", "gzip")])));
        assert!(is_message(&headers(&[("content-type", "text/xml"), ("content-encoding", "identity")])));
    }
}
