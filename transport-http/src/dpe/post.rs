//! Requests of this binding to somebody else, and what came back.

use std::net::IpAddr;

use bytes::Bytes;
use core_kit::{Body, Millis};
use http::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, USER_AGENT},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpInfo;
use tokio::time::timeout;

use super::parts::{XML, is_message};
use crate::{
    limits::duration,
    outgoing::{Outgoing, USER_AGENT_OWN, Unsent, is_postable},
};

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// The message in it, if it has one.
    pub(crate) message: Option<Body>,
    /// The address that it came from.
    pub(crate) peer: Option<IpAddr>,
}

/// Why nothing came back. What was sent is in none of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the address is not one of HTTP")]
    Address,
    #[error("no reply in time")]
    TimedOut,
    #[error(transparent)]
    Unsent(#[from] Unsent),
    #[error("the reply is too large")]
    TooLarge,
}

impl Lost {
    /// Whether nothing can have arrived.
    pub(crate) const fn is_unsent(&self) -> bool {
        matches!(self, Self::Address | Self::Unsent(Unsent::Connect(_) | Unsent::Certificate(_)))
    }
}

/// Sends a message, or asks for one; redirections are not followed.
pub(crate) async fn exchange(
    connections: &Outgoing,
    to: &Uri,
    mut headers: HeaderMap,
    message: Option<&Body>,
    patience: Millis,
    bytes_max: usize,
) -> Result<Reply, Lost> {
    if !is_postable(to) {
        return Err(Lost::Address);
    }
    let (method, body) = match message {
        Some(message) => {
            headers.insert(CONTENT_TYPE, XML);
            (Method::POST, message.to_bytes())
        }
        None => (Method::GET, Bytes::new()),
    };
    headers.insert(USER_AGENT, USER_AGENT_OWN);
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = to.clone();
    *request.headers_mut() = headers;
    let whole = async {
        let response = connections.request(request).await?;
        read(response, bytes_max).await
    };
    timeout(duration(patience), whole).await.unwrap_or(Err(Lost::TimedOut))
}

async fn read(response: Response<Incoming>, bytes_max: usize) -> Result<Reply, Lost> {
    let peer = response.extensions().get::<HttpInfo>().map(|info| info.remote_addr().ip());
    let (parts, body) = response.into_parts();
    let whole = Limited::new(body, bytes_max).collect().await;
    let body = match whole {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Err(Lost::TooLarge),
        Err(error) => return Err(Unsent::Broken(error).into()),
    };
    let is_message = parts.status == StatusCode::OK && is_message(&parts.headers);
    Ok(Reply { status: parts.status, message: is_message.then(|| Body::from(body)), peer })
}
