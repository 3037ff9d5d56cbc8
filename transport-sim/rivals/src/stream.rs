//! Sessions over a stream of octets, whoever simulates it: each message behind its length, one connection for a session.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use core_kit::{Env, Tick, UnixMillis};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::machines::{Around, Device, Server, Wrong};

/// Some time in 2026.
const EPOCH_MS: u64 = 1_767_225_600_000;
/// Longer than any message of these sessions.
const LENGTH_MAX: usize = 1 << 20;

/// What a machine is told of its surroundings: the simulator's time, and octets that follow on a number.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings {
    state: u64,
    now_ms: fn() -> u64,
}

impl Surroundings {
    /// Those of one host.
    #[must_use]
    pub const fn new(host: u32, now_ms: fn() -> u64) -> Self {
        Self { state: host as u64, now_ms }
    }
}

impl Around for Surroundings {
    fn env(&mut self) -> Env {
        let mut entropy = [0; 32];
        for octets in entropy.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            octets.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes());
        }
        let now = (self.now_ms)();
        Env { now: Tick(now), wall: UnixMillis(EPOCH_MS + now), entropy }
    }
}

/// Takes a device through its session.
///
/// # Errors
/// The stream or the session did not go as it should.
pub async fn session<S>(mut stream: S, device: &mut Device, mut around: Surroundings) -> Result<(), Wrong>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut next = device.begin(&mut around)?;
    while let Some(message) = next {
        write(&mut stream, &message).await?;
        let reply = read(&mut stream).await?.ok_or("the server has closed the connection")?;
        next = device.receive(&mut around, reply)?;
    }
    if device.has_completed() { Ok(()) } else { Err("a session was not completed".into()) }
}

/// Serves one connection to its end.
///
/// # Errors
/// The stream or the server did not go as it should.
pub async fn serve<S>(mut stream: S, server: Arc<Mutex<Server>>, mut around: Surroundings) -> Result<(), Wrong>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = read(&mut stream).await? {
        let env = around.env();
        let answer = server.lock().unwrap_or_else(PoisonError::into_inner).receive(&env, message)?;
        write(&mut stream, &answer.reply).await?;
    }
    Ok(())
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> Result<(), Wrong> {
    let length = u32::try_from(message.len())?.to_be_bytes();
    stream.write_all(&[&length, message].concat()).await?;
    Ok(stream.flush().await?)
}

/// The next message; nothing at the end of the stream.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Bytes>, Wrong> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = usize::try_from(u32::from_be_bytes(length))?;
    if length > LENGTH_MAX {
        return Err("a message is too long".into());
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(Some(message.into()))
}
