//! A server under load, against the limits of the machine that it runs on.
//!
//! ```text
//! cargo bench                                        100,000 objects of 2 KiB
//! cargo bench -- --objects 10000 --seconds 5         a quick one
//! ```
//!
//! The optimized executable runs as a process of its own, on a real disk, and is asked
//! over the loopback address by clients that speak HTTP/2 over TLS 1.3, as shards do.
//! In the same run the same clients ask a server that does nothing but send a prepared
//! buffer, and the same disk appends and syncs. So each figure has its limit beside it,
//! and a machine that is busy or slow moves both.
//!
//! * [`process`] starts and ends the server, and reads what it costs.
//! * [`objects`] makes what is stored.
//! * [`client`] asks, [`load`] asks many times and measures.
//! * [`limits`] are the disk's and the TLS stack's.
//! * [`cases`] are the verbs, [`fan_out`] is the watch.
//! * [`report`] prints.
//!
//! # What is absent on purpose
//!
//! No assertion on a figure: what a machine can do is its own business. Wrong answers do
//! end the run: a figure of wrong answers is worth nothing.
#![expect(clippy::cast_precision_loss, reason = "figures have three digits")]

mod cases;
mod client;
mod fan_out;
mod limits;
mod load;
mod objects;
mod process;
mod report;

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;

use limits::{Limits, Prepared};
use load::{Clients, Pace};
use objects::Objects;
use process::Server;
use report::Report;

/// Measure a server against the limits of this machine
#[derive(Clone, Debug, clap::Parser)]
struct Args {
    /// Objects to store
    #[arg(long, default_value_t = 100_000)]
    objects: usize,

    /// Bytes of one object as JSON
    #[arg(long, default_value_t = 2048, value_parser = clap::value_parser!(u16).range(1024..))]
    size: u16,

    /// Connections of the clients
    #[arg(long, default_value_t = 4)]
    connections: usize,

    /// Requests that are open at once
    #[arg(long, default_value_t = 64)]
    in_flight: usize,

    /// Watches of the fan-out
    #[arg(long, default_value_t = 100)]
    watchers: usize,

    /// Seconds that one figure may take; the first load may take six times as long
    #[arg(long, default_value_t = 10)]
    seconds: u64,

    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&args))
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let mut report = Report::begin(args);
    let mut server = Server::start().context("failed to start the server")?;
    let objects = Objects { size: usize::from(args.size) };
    let pace =
        Pace { in_flight: args.in_flight, patience: Duration::from_secs(args.seconds.max(1)) };

    let prepared = Prepared::start(&server).await?;
    let echo = Clients::connect(prepared.target(), args.connections).await?;
    let measure = || Limits::measure(server.dir(), &echo, &objects, pace, args.watchers);
    let limits = measure().await?;

    let clients = Clients::connect(&server.target()?, args.connections).await?;
    report.memory("started", server.usage(&clients).await?);
    let stored = cases::create(&clients, &objects, args.objects, pace, &mut report).await?;
    report.memory(&format!("with {stored} objects"), server.usage(&clients).await?);
    cases::get(&clients, &objects, stored, pace, &mut report).await?;
    cases::update_nothing(&clients, stored, pace, &mut report).await?;
    cases::list(&clients, stored, pace, &mut report).await?;
    report.memory("after the lists", server.usage(&clients).await?);
    fan_out::run(&clients, &objects, args.watchers, pace, &mut report).await?;
    report.memory("after the watches", server.usage(&clients).await?);
    drop(clients);

    // Machines have moods, so the limits are asked for on both sides of the figures.
    let limits = limits.better(measure().await?);
    let took = server.restart()?;
    report.restart(took);
    let clients = Clients::connect(&server.target()?, 1).await?;
    report.memory("started again", server.usage(&clients).await?);
    report.print(&limits)?;
    Ok(())
}
