//! The watch: one change, told to everybody who watches everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::BytesMut;
use hdrhistogram::Histogram;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use memchr::{memchr, memmem};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::load::{Clients, Figure, Pace, histogram, record};
use crate::objects::{Objects, collection, everything};
use crate::report::{Report, Row};

/// Changes a second in the paced part: a lively installation.
const PACED_PER_SECOND: u64 = 100;

/// Changes of the part that goes as fast as it can.
const BURST: usize = 2000;

/// What the names of these objects begin with; the number follows.
const NAME: &str = "fan-";

/// How long the last event may be on its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// When each change was sent, in nanoseconds after `begun`.
struct Sent {
    begun: Instant,
    at: Vec<AtomicU64>,
}

/// Measures how long a change takes to reach everybody, and how many events a second.
pub(crate) async fn run(
    clients: &Clients,
    objects: &Objects,
    watchers: usize,
    pace: Pace,
    report: &mut Report,
) -> anyhow::Result<()> {
    let paced = usize::try_from(PACED_PER_SECOND * pace.patience.as_secs() / 2)?.max(10);
    let sent = Sent::new(paced);
    let open = watch(clients, watchers, "paced", &sent).await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(1000 / PACED_PER_SECOND));
    for index in 0..paced {
        ticks.tick().await;
        create(clients.get(index), objects, "paced", index, &sent).await?;
    }
    let (figure, bytes) = gather(open, &sent).await?;
    let title = format!("watch, {watchers} watchers, {PACED_PER_SECOND} changes/s");
    let rate = bytes as f64 / figure.took.as_secs_f64();
    report.row(Row::of(&title, &figure).bytes(rate, |it| it.tls.streams_bytes));

    let sent = Sent::new(BURST);
    let open = watch(clients, watchers, "burst", &sent).await?;
    let objects = *objects;
    let shared = Arc::clone(&sent);
    let work = move |client: Client, index| {
        let sent = Arc::clone(&shared);
        async move { create(&client, &objects, "burst", index, &sent).await }
    };
    let made = clients.each(0..BURST, Pace { patience: PATIENCE, ..pace }, work).await?;
    ensure!(made.count == BURST, "only {} of {BURST} changes in {PATIENCE:?}", made.count);
    let (figure, bytes) = gather(open, &sent).await?;
    let title = format!("watch, {watchers} watchers, at full speed");
    let rate = bytes as f64 / figure.took.as_secs_f64();
    report.row(Row::of(&title, &figure).bytes(rate, |it| it.tls.streams_bytes));
    Ok(())
}

impl Sent {
    fn new(count: usize) -> Arc<Self> {
        let at = (0..count).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { begun: Instant::now(), at })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

async fn create(
    client: &Client,
    objects: &Objects,
    part: &str,
    index: usize,
    sent: &Sent,
) -> anyhow::Result<()> {
    let body = objects.body(index, &format!("{NAME}{part}-{index:06}"));
    sent.at[index].store(sent.now(), Ordering::Release);
    let answer = client.send(Method::POST, &collection(index), Some(body)).await?;
    answer.expect(StatusCode::CREATED)?;
    Ok(())
}

/// What one watcher saw: how late, and how many bytes.
type Seen = anyhow::Result<(Histogram<u64>, u64)>;

/// Opens the watches; each ends when it has seen every change of this part.
async fn watch(
    clients: &Clients,
    watchers: usize,
    part: &str,
    sent: &Arc<Sent>,
) -> anyhow::Result<JoinSet<Seen>> {
    let list = clients.get(0).send(Method::GET, &format!("{}?limit=1", everything()), None).await?;
    let list: Value = serde_json::from_slice(&list.expect(StatusCode::OK)?)?;
    let revision = list["metadata"]["resourceVersion"].as_str().context("a list's revision")?;
    let path = format!("{}?watch=true&resourceVersion={revision}", everything());
    let mut open = JoinSet::new();
    for index in 0..watchers {
        let (status, body) = clients.get(index).open(Method::GET, &path, None).await?;
        ensure!(status == StatusCode::OK, "the watch was answered with {status}");
        let name = format!(r#""name":"{NAME}{part}-"#);
        open.spawn(see(body, name, Arc::clone(sent)));
    }
    Ok(open)
}

/// Reads one watch until every change was seen, each once and in its order.
async fn see(mut body: hyper::body::Incoming, name: String, sent: Arc<Sent>) -> Seen {
    let finder = memmem::Finder::new(name.as_bytes());
    let mut times = histogram();
    let mut bytes = 0;
    let mut buffer = BytesMut::new();
    let mut seen = 0;
    while seen < sent.at.len() {
        let frame = body.frame().await.context("the watch ended")??;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        buffer.extend_from_slice(&data);
        while let Some(end) = memchr(b'\n', &buffer) {
            let line = buffer.split_to(end + 1);
            let Some(at) = finder.find(&line) else { continue };
            let digits = &line[at + name.len()..];
            let digits = &digits[..memchr(b'"', digits).unwrap_or(0)];
            let index: usize = std::str::from_utf8(digits)?.parse()?;
            let start = sent.at[index].load(Ordering::Acquire);
            record(&mut times, Duration::from_nanos(sent.now().saturating_sub(start)));
            seen += 1;
        }
    }
    Ok((times, bytes))
}

/// Waits for all watchers, and adds up what they saw.
async fn gather(mut open: JoinSet<Seen>, sent: &Sent) -> anyhow::Result<(Figure, u64)> {
    let mut times = histogram();
    let mut bytes = 0;
    let all = async {
        while let Some(seen) = open.join_next().await {
            let (seen, some) = seen??;
            times.add(seen)?;
            bytes += some;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, all).await.context("some watcher missed a change")??;
    let first = sent.at.iter().map(|at| at.load(Ordering::Acquire)).min().unwrap_or(0);
    let took = Duration::from_nanos(sent.now() - first);
    Ok((Figure { count: usize::try_from(times.len())?, took, times }, bytes))
}
