//! The sessions under turmoil: every host is a runtime of tokio, and TCP is simulated.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rivals::{
    HOSTS, LATENCY_MS,
    machines::{Device, Plan, Server, Wrong},
    report, rounds,
    stream::{Surroundings, serve, session},
};
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 8080;
/// turmoil's own, and one that is as long as its time can be cut for this latency.
const TICKS_MS: [u64; 2] = [1, LATENCY_MS];

fn now_ms() -> u64 {
    turmoil::sim_elapsed().map_or(0, |elapsed| u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

fn run(rounds: u32, tick_ms: u64) -> Result<(u64, u64), Wrong> {
    let latency = Duration::from_millis(LATENCY_MS);
    let mut sim = turmoil::Builder::new()
        .min_message_latency(latency)
        .max_message_latency(latency)
        .tick_duration(Duration::from_millis(tick_ms))
        // All devices connect at once.
        .tcp_capacity(usize::try_from(HOSTS)?)
        .simulation_duration(Duration::from_secs(24 * 3_600))
        .rng_seed(1)
        .build();
    let plan = Plan::new()?;
    let server = Arc::new(Mutex::new(Server::new(plan.clone())));
    let of_host = Arc::clone(&server);
    sim.host("server", move || {
        let server = Arc::clone(&of_host);
        async move {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
            for connection in 0.. {
                let (stream, _) = listener.accept().await?;
                tokio::spawn(serve(stream, Arc::clone(&server), Surroundings::new(!connection, now_ms)));
            }
            Ok(())
        }
    });
    for number in 0..HOSTS {
        let plan = plan.clone();
        sim.client(format!("device-{number}"), async move {
            for round in 0..rounds {
                let stream = TcpStream::connect(("server", PORT)).await?;
                let number = number + round * HOSTS;
                let around = Surroundings::new(number, now_ms);
                let done = session(stream, &mut Device::new(&plan, number), around).await;
                done.map_err(|wrong| wrong.to_string())?;
            }
            Ok(())
        });
    }
    sim.run().map_err(|error| error.to_string())?;
    let counts = server.lock().unwrap_or_else(PoisonError::into_inner).counts();
    Ok(counts)
}

fn main() -> Result<(), Wrong> {
    let rounds = rounds();
    for tick_ms in TICKS_MS {
        report(&format!("turmoil-{tick_ms}ms"), || run(rounds, tick_ms))?;
    }
    Ok(())
}
