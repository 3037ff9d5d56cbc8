//! A node as an axum router.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{StatusCode, header::EXPECT};
use tracing::{Instrument, Span, field, info, info_span};

use crate::{
    body,
    dm::app::App,
    dm::map::{self, Rejection},
    dm::store::{Backend, Store},
    peer::Source,
};

/// The node, for [`Router::nest_service`] at the path where devices shall find it, or by itself at every path.
///
/// Below its path it takes every address and any query: a `RespURI` may carry a token. Run it with
/// [`serve`](crate::serve()), which arms the limits that a router cannot see to; it reads and bounds bodies itself.
pub fn router<S: Store + 'static, B: Backend + 'static>(app: Arc<App<S, B>>) -> Router {
    Router::new().fallback(exchange::<S, B>).with_state(app)
}

async fn exchange<S: Store, B: Backend>(State(app): State<Arc<App<S, B>>>, request: Request) -> Response {
    let span = info_span!(
        "exchange",
        device = field::Empty,
        session = field::Empty,
        msg = field::Empty,
        bytes_in = field::Empty,
        bytes_out = field::Empty,
        attempts = field::Empty,
        revision = field::Empty,
        outcome = field::Empty,
        status = field::Empty,
    );
    async {
        let response = answer(&app, request).await.unwrap_or_else(|rejection| {
            info!(reason = %rejection, "no message in reply");
            rejection.response(app.limits())
        });
        Span::current().record("status", response.status().as_u16());
        if response.status() == StatusCode::OK {
            info!("replied");
        }
        response
    }
    .instrument(span)
    .await
}

async fn answer<S: Store, B: Backend>(app: &App<S, B>, request: Request) -> Result<Response, Rejection> {
    let (parts, mut body) = request.into_parts();
    let bytes_max = app.profile().wire.message_bytes_max;
    let read = match map::request_head(&parts, bytes_max) {
        Ok(media_type) => {
            body::read(&mut body, bytes_max, app.limits()).await.map(|body| (media_type, body)).map_err(Into::into)
        }
        Err(rejection) => Err(rejection),
    };
    let (media_type, body) = match read {
        Ok(read) => read,
        Err(rejection) => {
            // Whoever waits for `100 Continue` has sent nothing yet.
            if rejection != Rejection::TooSlow && !parts.headers.contains_key(EXPECT) {
                body::discard(&mut body, bytes_max.saturating_mul(2)).await;
            }
            return Err(rejection);
        }
    };
    Span::current().record("bytes_in", body.len());
    let source = parts.extensions.get().map(|Source(address)| *address);
    let reply = app.exchange_from(map::packet(media_type, &parts, body), source).await?;
    Span::current().record("bytes_out", reply.body.len());
    Ok(map::response::<Body>(media_type.family, &reply))
}
