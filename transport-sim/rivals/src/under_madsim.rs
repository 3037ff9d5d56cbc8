//! The sessions under madsim: every host is a node of its runtime, and TCP is simulated. It is a build of its own, with
//! `--cfg madsim`; in any other one madsim is a real network.

#[cfg(not(madsim))]
fn main() -> Result<(), rivals::machines::Wrong> {
    Err("madsim simulates only what is built with RUSTFLAGS=\"--cfg madsim\"".into())
}

#[cfg(madsim)]
fn main() -> Result<(), rivals::machines::Wrong> {
    let rounds = rivals::rounds();
    rivals::report("madsim", || simulated::run(rounds))
}

#[cfg(madsim)]
mod simulated {
    use std::{
        net::{IpAddr, Ipv4Addr},
        sync::{Arc, Mutex, PoisonError},
        time::Duration,
    };

    use madsim::{
        Config,
        net::{TcpListener, TcpStream},
        runtime::{Handle, Runtime},
        time::TimeHandle,
    };
    use rivals::{
        HOSTS, LATENCY_MS,
        machines::{Device, Plan, Server, Wrong},
        stream::{Surroundings, serve, session},
    };

    const PORT: u16 = 8080;
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn now_ms() -> u64 {
        u64::try_from(TimeHandle::current().elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn run(rounds: u32) -> Result<(u64, u64), Wrong> {
        let mut config = Config::default();
        // A range that holds one number.
        let latency = Duration::from_millis(LATENCY_MS);
        config.net.send_latency = latency..latency + Duration::from_nanos(1);
        Runtime::with_seed_and_config(1, config).block_on(world(rounds))
    }

    async fn world(rounds: u32) -> Result<(u64, u64), Wrong> {
        let plan = Plan::new()?;
        let server = Arc::new(Mutex::new(Server::new(plan.clone())));
        let handle = Handle::current();
        let node = handle.create_node().name("server").ip(IpAddr::V4(SERVER)).build();
        let listener = node.spawn(async { TcpListener::bind((SERVER, PORT)).await }).await??;
        let of_node = Arc::clone(&server);
        node.spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await?;
                madsim::task::spawn(serve(stream, Arc::clone(&of_node), Surroundings::new(!connection, now_ms)));
            }
            Ok::<(), Wrong>(())
        });
        let mut devices = Vec::new();
        for number in 0..HOSTS {
            let ip = Ipv4Addr::from_bits(SERVER.to_bits() + 1 + number);
            let node = handle.create_node().name(format!("device-{number}")).ip(IpAddr::V4(ip)).build();
            devices.push(node.spawn(device(plan.clone(), number, rounds)));
        }
        for device in devices {
            device.await??;
        }
        let counts = server.lock().unwrap_or_else(PoisonError::into_inner).counts();
        Ok(counts)
    }

    async fn device(plan: Plan, number: u32, rounds: u32) -> Result<(), Wrong> {
        for round in 0..rounds {
            let stream = TcpStream::connect((SERVER, PORT)).await?;
            let number = number + round * HOSTS;
            session(stream, &mut Device::new(&plan, number), Surroundings::new(number, now_ms)).await?;
        }
        Ok(())
    }
}
