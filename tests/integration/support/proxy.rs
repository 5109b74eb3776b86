//! A way between two processes that can be cut, blocked and slowed down.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::etcd::RUNTIME;

/// What happens to what is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Traffic {
    /// It arrives.
    Flows,
    /// It arrives late, by this much a piece.
    Crawls(Duration),
    /// Connections are accepted, and nothing arrives until they are unblocked: a packet
    /// that is lost is sent again.
    Blocked,
    /// What clients send arrives; the answers do not until they are unblocked.
    Unanswered,
    /// Connections break, and no new one is made.
    Cut,
}

/// Passes on what comes to a port of the loopback address; ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    task: AbortHandle,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Direction {
    There,
    Back,
}

impl Traffic {
    fn lets_pass(self, direction: Direction) -> bool {
        match self {
            Self::Flows | Self::Crawls(_) => true,
            Self::Unanswered => direction == Direction::There,
            Self::Blocked | Self::Cut => false,
        }
    }
}

impl Proxy {
    /// A way to a port of the loopback address.
    pub fn to(port: u16) -> Self {
        let _runtime = RUNTIME.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let (traffic, seen) = watch::channel(Traffic::Flows);
        let task = RUNTIME.spawn(accept(listener, port, seen)).abort_handle();
        Self { address, traffic, task }
    }

    /// Where a client of etcd goes.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// From now on traffic is so, also on the connections that there are.
    pub fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Traffic::Cut);
    }
}

async fn accept(listener: TcpListener, port: u16, traffic: watch::Receiver<Traffic>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        if *traffic.borrow() != Traffic::Cut {
            tokio::spawn(connect(client, port, traffic.clone()));
        }
    }
}

async fn connect(client: TcpStream, port: u16, mut traffic: watch::Receiver<Traffic>) {
    if traffic.wait_for(|it| *it != Traffic::Blocked).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (_, _) = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pump(from_client, to_server, traffic.clone(), Direction::There) => {}
        () = pump(from_server, to_client, traffic.clone(), Direction::Back) => {}
        _ = traffic.wait_for(|it| *it == Traffic::Cut) => {}
    }
}

/// Passes on one direction until either end is gone.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut traffic: watch::Receiver<Traffic>,
    direction: Direction,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        let Ok(now) = traffic.wait_for(|it| it.lets_pass(direction)).await.map(|it| *it) else {
            return;
        };
        if let Traffic::Crawls(delay) = now {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
