//! The paths of a server.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body as HttpBody,
    extract::{Request, State},
    response::Response,
};
use dpe_core::{
    config::{Config, IgnoreStyle},
    identity::Source,
    server::{Profile, admission::Admission},
    wire::Secret,
};
use http::{HeaderValue, Method, StatusCode, header::RETRY_AFTER, request::Parts};
use tokio::{sync::oneshot, time::timeout};
use tracing::{Instrument, Span, field, info, info_span, warn};

use super::{Answer, Bounds, Call, Handle, hooks::Hooks};
use crate::{
    Peer,
    dpe::{BASE, CLIENT_ID, SECURITY_TOKEN, SP_ID, parts},
    env,
    limits::duration,
};

/// What requests need before they are calls.
pub(super) struct Front {
    profile: Profile,
    bounds: Bounds,
    hooks: Arc<dyn Hooks>,
    admission: Mutex<Admission>,
}

impl Front {
    pub(super) fn new(profile: &Profile, bounds: Bounds, hooks: Arc<dyn Hooks>) -> Self {
        let admission = Mutex::new(Admission::new(profile));
        Self { profile: profile.clone(), bounds, hooks, admission }
    }

    fn config(&self) -> &Config {
        self.profile.config()
    }

    fn admission(&self) -> std::sync::MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exchange on DPE-3 that counts as long as it is open.
struct Place<'a>(&'a Front, IpAddr);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.admission().close(self.1);
    }
}

/// The server below [`BASE`]. Run it with [`serve`](crate::serve()): it says where requests come from, arms limits that a
/// router cannot see to, and closes connections without a reply.
pub fn router(handle: Handle) -> Router {
    Router::new().nest(BASE, Router::new().fallback(exchange).with_state(handle))
}

async fn exchange(State(handle): State<Handle>, request: Request) -> Response {
    let span =
        info_span!("dpe", on = field::Empty, bytes_in = field::Empty, bytes_out = field::Empty, status = field::Empty);
    async {
        let (parts, body) = request.into_parts();
        let response = dispatch(&handle, &parts, body).await;
        let is_closed = response.extensions().get::<crate::HangUp>().is_some();
        Span::current().record("status", if is_closed { 0 } else { response.status().as_u16() });
        info!("{}", if is_closed { "ignored" } else { "replied" });
        response
    }
    .instrument(span)
    .await
}

/// The paths, what they are called in the log, and the one method that each has.
const PATHS: &[(&str, &str, Method)] = &[
    ("/register", "register", Method::POST),
    ("/client/poll", "client poll", Method::GET),
    ("/client/messages", "client messages", Method::POST),
    ("/sp", "sp", Method::POST),
    ("/sp/poll", "sp poll", Method::GET),
];

async fn dispatch(handle: &Handle, parts: &Parts, mut body: HttpBody) -> Response {
    let Some((path, name, method)) = PATHS.iter().find(|(path, ..)| *path == parts.uri.path()) else {
        return parts::empty(StatusCode::NOT_FOUND);
    };
    Span::current().record("on", name);
    if parts.method != *method {
        return parts::other_method(if *method == Method::GET { "GET" } else { "POST" });
    }
    let front = &*handle.front;
    let Some(Peer(peer)) = parts.extensions.get().copied() else {
        warn!("nobody says where requests come from");
        return parts::empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let mut source = source(front.config(), parts, peer);
    let address = source.address(&front.config().identity);
    let is_sp = path.starts_with("/sp");
    // Before anything is read [DPE digest 3.13].
    if is_sp && !front.admission().open(address) {
        return ignored(front);
    }
    let _place = is_sp.then(|| Place(front, address));
    if !is_sp {
        source.radius = front.hooks.network(address).await;
    }
    if *method == Method::GET {
        return poll(handle, parts, source, is_sp).await;
    }
    if *path == "/register" && !front.admission().registers(address, env::now().now) {
        return unavailable(Duration::from_secs(60));
    }
    let bytes_max = front.config().wire.message_bytes_max;
    let message = match parts::message(parts, &mut body, bytes_max, &front.bounds.limits).await {
        Ok(message) => message,
        Err(bad) => return bad.response(),
    };
    Span::current().record("bytes_in", message.len());
    let named = header(parts, CLIENT_ID);
    let answer = handle.call(|tell| match *path {
        "/register" => Call::Register(source, message, tell),
        "/sp" => Call::FromSp(source, message, tell),
        _ => Call::FromClient(source, named, message, tell),
    });
    respond(front, answer.await)
}

/// Keeps a poll open until there is something, another one takes its place, or its time is over.
async fn poll(handle: &Handle, parts: &Parts, source: Source, is_sp: bool) -> Response {
    let front = &*handle.front;
    let wait = wait(parts.uri.query(), duration(front.config().http.poll_wait));
    let (tell, mut told) = oneshot::channel();
    let call = if is_sp {
        Call::SpPoll(source, header(parts, SP_ID), !wait.is_zero(), tell)
    } else {
        Call::Poll(source, header(parts, CLIENT_ID), !wait.is_zero(), tell)
    };
    if handle.calls.try_send(call).is_err() {
        return respond(front, Answer::Unavailable);
    }
    let answer = if wait.is_zero() {
        told.await.ok()
    } else if let Ok(answer) = timeout(wait, &mut told).await {
        answer.ok()
    } else {
        // What comes in this very moment was handed over, and is not lost.
        told.close();
        told.try_recv().ok()
    };
    respond(front, answer.unwrap_or(Answer::Nothing))
}

/// What the transport saw of the sender. Headers that mean nothing stay outside; whether those of an identity count is
/// decided by [`Source`].
fn source(config: &Config, parts: &Parts, peer: IpAddr) -> Source {
    let mut source = Source::at(peer);
    source.token = header(parts, SECURITY_TOKEN).map(Secret);
    if config.identity.trusts(peer) {
        let meaningful = parts.headers.iter().filter(|(name, _)| config.identity.meaning(name.as_str()).is_some());
        let text = |(name, value): (&http::HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        source.headers = meaningful.filter_map(text).collect();
    }
    source
}

fn header(parts: &Parts, name: &str) -> Option<String> {
    parts.headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned())
}

/// `wait=seconds`, never more than the most; that too where it is missing or no number.
fn wait(query: Option<&str>, most: Duration) -> Duration {
    let mut pairs = query.into_iter().flat_map(|query| query.split('&'));
    let asked = pairs.find_map(|pair| pair.strip_prefix("wait=")).and_then(|seconds| seconds.parse().ok());
    asked.map_or(most, |seconds| Duration::from_secs(seconds).min(most))
}

fn respond(front: &Front, answer: Answer) -> Response {
    match answer {
        Answer::Message(message) => {
            let reply = parts::reply(&message);
            Span::current().record("bytes_out", message.len());
            reply
        }
        Answer::Nothing => parts::empty(StatusCode::NO_CONTENT),
        Answer::Later => parts::empty(StatusCode::ACCEPTED),
        Answer::Ignored => ignored(front),
        Answer::Unreadable => parts::empty(StatusCode::BAD_REQUEST),
        Answer::Unavailable => unavailable(duration(front.bounds.limits.retry_after_ms)),
    }
}

/// As `http.ignore_style` says [DPE digest H2].
fn ignored(front: &Front) -> Response {
    match front.config().http.ignore_style {
        IgnoreStyle::Close => parts::hang_up(),
        IgnoreStyle::StatusOnly => parts::empty(StatusCode::FORBIDDEN),
    }
}

fn unavailable(retry_after: Duration) -> Response {
    let mut response = parts::empty(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs().max(1)));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_waits_as_long_as_it_asks_for_and_no_longer_than_the_most() {
        let most = Duration::from_secs(30);
        for (query, seconds) in [
            (None, 30),
            (Some("wait=5"), 5),
            (Some("a=b&wait=0"), 0),
            (Some("wait=31"), 30),
            (Some("wait=99999999999999999999"), 30),
            (Some("wait=-1"), 30),
            (Some("wait"), 30),
        ] {
            assert_eq!(wait(query, most).as_secs(), seconds, "{query:?}");
        }
    }
}
