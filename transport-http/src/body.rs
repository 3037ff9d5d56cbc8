//! Request bodies, bounded in octets, time and slowness.

use std::{pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout, timeout_at};

use crate::limits::{Limits, duration};

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is larger than the server takes.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// It ended early, or its chunks are broken.
    Incomplete,
}

/// The whole body. It is held as it comes: what the head announces reserves no memory.
///
/// # Errors
/// As [`Unread`] says.
pub(crate) async fn read<B>(body: &mut B, bytes_max: usize, limits: &Limits) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut whole, began) = (BytesMut::new(), Instant::now());
    loop {
        let frame = timeout_at(began + allowance(whole.len(), limits), body.frame()).await;
        let Some(frame) = frame.map_err(|_| Unread::TooSlow)? else { return Ok(whole.freeze()) };
        // Trailers say nothing that counts here.
        let Ok(data) = frame.map_err(|_| Unread::Incomplete)?.into_data() else { continue };
        if data.len() > bytes_max.saturating_sub(whole.len()) {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
}

/// How long a body may take of which so much has come.
fn allowance(received: usize, limits: &Limits) -> Duration {
    let earned =
        u64::try_from(received).unwrap_or(u64::MAX).saturating_mul(1000) / u64::from(limits.body_rate_min.max(1));
    duration(limits.body_ms).max(Duration::from_millis(earned))
}

/// Reads on and throws away, for a moment: a client that is still sending would lose the response otherwise, because
/// closing a connection with unread octets resets it.
pub(crate) async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, bytes_max: usize) {
    let mut body = pin!(body);
    let mut left = bytes_max;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
            left = rest;
        }
    };
    // Late or not, what follows is the same.
    timeout(DISCARD, reading).await.unwrap_or_default();
}

const DISCARD: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use core_kit::Millis;

    use super::*;

    #[test]
    fn a_body_earns_time_by_coming() {
        let limits = Limits { body_ms: Millis(1_000), body_rate_min: 500, ..Limits::DEFAULT };
        let allowed = |received| allowance(received, &limits).as_millis();
        assert_eq!([allowed(0), allowed(499), allowed(500), allowed(5_000)], [1_000, 1_000, 1_000, 10_000]);
    }
}
