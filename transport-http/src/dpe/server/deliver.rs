//! Deliveries to callbacks and to `Contact`s.

use std::{sync::Arc, time::Duration};

use core_kit::Body;
use dpe_core::ids::{ClientId, SpId};
use http::{HeaderMap, StatusCode, Uri};
use tokio::time::sleep;
use tracing::debug;

use super::{Delivered, Shared, boxes::Class};
use crate::dpe::post::exchange;

/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Delivers to the callback of an SP, `sp.report_retries` times at most, the same bytes each time.
pub(super) async fn to_callback(shared: Arc<Shared>, sp: SpId, to: Uri, body: Body) -> Delivered {
    let mut pause = crate::limits::duration(shared.bounds.pause_ms);
    let tries = shared.config().sp.report_retries.max(1);
    for attempt in 1..=tries {
        let sent = post(&shared, &to, &body).await;
        match sent {
            Ok(reply) if reply.status.is_success() => return Delivered::Callback(sp, true),
            Ok(reply) => debug!(%sp, attempt, status = reply.status.as_u16(), "callback refuses"),
            Err(error) => debug!(%sp, attempt, %error, "callback not reached"),
        }
        if attempt < tries {
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
    Delivered::Callback(sp, false)
}

/// Delivers to a client that listens, once: the timers of its machine see to the rest.
pub(super) async fn to_contact(
    shared: Arc<Shared>,
    client: ClientId,
    class: Class,
    number: u64,
    to: Uri,
    body: Body,
) -> Delivered {
    let sent = post(&shared, &to, &body).await;
    let came = match sent {
        Ok(reply) if reply.status == StatusCode::OK => Ok(reply.message.zip(reply.peer)),
        Ok(reply) if reply.status.is_success() => Ok(None),
        Ok(reply) => {
            debug!(%client, status = reply.status.as_u16(), "client refuses");
            Err(())
        }
        Err(error) => {
            debug!(%client, %error, "client not reached");
            Err(())
        }
    };
    Delivered::Contact(client, (class == Class::Request).then_some(number), came)
}

async fn post(shared: &Shared, to: &Uri, body: &Body) -> Result<crate::dpe::post::Reply, crate::dpe::post::Lost> {
    let bytes_max = shared.config().wire.message_bytes_max;
    exchange(&shared.connections, to, HeaderMap::new(), Some(body), shared.bounds.post_ms, bytes_max).await
}
