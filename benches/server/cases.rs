//! The verbs: create, get, an update that changes nothing, and the lists.

use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use bytes::Bytes;
use http::{Method, StatusCode};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::Client;
use crate::limits::BATCH;
use crate::load::{Clients, Figure, Pace, histogram, record};
use crate::objects::{Objects, collection, everything, name, path};
use crate::process::{metric, scrape};
use crate::report::{Report, Row};

/// Objects of a page, which is what informers ask for.
const PAGE: usize = 500;

/// The first load may take so many times as long as a figure.
const LOAD_PATIENCE: u32 = 6;

/// Whole lists that are timed, at most.
const LISTS: usize = 5;

/// Different objects that the updates go round: their bodies are held beforehand.
const UPDATED: usize = 1000;

/// Creates the objects, some one after the other and the rest many at once, and answers
/// with how many there are: fewer than were asked for if the time was up.
pub(crate) async fn create(
    clients: &Clients,
    objects: &Objects,
    count: usize,
    pace: Pace,
    report: &mut Report,
) -> anyhow::Result<usize> {
    let objects = *objects;
    let work = move |client: Client, index| async move {
        let body = objects.body(index, &name(index));
        let answer = client.send(Method::POST, &collection(index), Some(body)).await?;
        answer.expect(StatusCode::CREATED)?;
        Ok(())
    };
    // A tenth at most, so that the rest has something to do.
    let single = clients.each(0..count / 10, pace.one_by_one(), work).await?;
    let row = Row::of("create, 1 at a time", &single);
    let row = row.limit("disk, 1", |it| it.disk.single.rate());
    report.row(row.limit("TLS", |it| it.tls.exchange_single.rate()));

    let load = Pace { patience: pace.patience * LOAD_PATIENCE, ..pace };
    let syncs_before = syncs(clients).await?;
    let many = clients.each(single.count..count, load, work).await?;
    let syncs = syncs(clients).await? - syncs_before;
    let row = Row::of(&format!("create, {} at a time", pace.in_flight), &many);
    let row = row.limit(&format!("disk, {BATCH}"), |it| it.disk.batch.rate());
    report.row(row.limit("TLS", |it| it.tls.exchange.rate()));
    let a_sync = many.count as f64 / syncs.max(1) as f64;
    report.text(format!("  {} writes took {syncs} syncs, {a_sync:.1} writes a sync", many.count));
    Ok(single.count + many.count)
}

async fn syncs(clients: &Clients) -> anyhow::Result<u64> {
    Ok(metric(&scrape(clients).await?, "kcpctl_store_syncs_total"))
}

/// Reads objects by name.
pub(crate) async fn get(
    clients: &Clients,
    objects: &Objects,
    stored: usize,
    pace: Pace,
    report: &mut Report,
) -> anyhow::Result<()> {
    let size = objects.size;
    let work = move |client: Client, index: usize| async move {
        // Far from the last one, as requests of many users are.
        let index = index.wrapping_mul(7919) % stored;
        let body = client.send(Method::GET, &path(index), None).await?.expect(StatusCode::OK)?;
        ensure!(body.len() > size, "an object of {} bytes", body.len());
        Ok(())
    };
    let single = clients.each(0..usize::MAX, half(pace).one_by_one(), work).await?;
    report.row(Row::of("get, 1 at a time", &single).limit("TLS", |it| it.tls.fetch_single.rate()));
    let many = clients.each(0..usize::MAX, half(pace), work).await?;
    let title = format!("get, {} at a time", pace.in_flight);
    report.row(Row::of(&title, &many).limit("TLS", |it| it.tls.fetch.rate()));
    Ok(())
}

/// Sends objects back as they are, which a shard does with all of them when it starts.
pub(crate) async fn update_nothing(
    clients: &Clients,
    stored: usize,
    pace: Pace,
    report: &mut Report,
) -> anyhow::Result<()> {
    let count = stored.min(UPDATED);
    let mut bodies = Vec::with_capacity(count);
    for index in 0..count {
        let answer = clients.get(index).send(Method::GET, &path(index), None).await?;
        bodies.push(answer.expect(StatusCode::OK)?);
    }
    let bodies: Arc<[Bytes]> = bodies.into();
    let work = move |client: Client, index: usize| {
        let (index, bodies) = (index % count, Arc::clone(&bodies));
        async move {
            let body = bodies[index].clone();
            let answer = client.send(Method::PUT, &path(index), Some(body)).await?;
            let answer = answer.expect(StatusCode::OK)?;
            ensure!(answer == bodies[index], "an update that should change nothing did");
            Ok(())
        }
    };
    let writes_before = metric(&scrape(clients).await?, "kcpctl_store_writes_total");
    let single = clients.each(0..usize::MAX, half(pace).one_by_one(), work.clone()).await?;
    let row = Row::of("update, no change, 1 at a time", &single);
    report.row(row.limit("TLS", |it| it.tls.exchange_single.rate()));
    let many = clients.each(0..usize::MAX, half(pace), work).await?;
    let title = format!("update, no change, {} at a time", pace.in_flight);
    report.row(Row::of(&title, &many).limit("TLS", |it| it.tls.exchange.rate()));
    let writes = metric(&scrape(clients).await?, "kcpctl_store_writes_total");
    ensure!(writes == writes_before, "{} writes of nothing", writes - writes_before);
    Ok(())
}

/// Lists every object of every shard and cluster: at once, and in pages.
pub(crate) async fn list(
    clients: &Clients,
    stored: usize,
    pace: Pace,
    report: &mut Report,
) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        items: Vec<&'a RawValue>,
    }
    let whole = clients.get(0).send(Method::GET, &everything(), None).await?;
    let whole = whole.expect(StatusCode::OK)?;
    let items = serde_json::from_slice::<List<'_>>(&whole)?.items.len();
    ensure!(items == stored, "a list of {items} objects instead of {stored}");
    let bytes = whole.len() as u64;
    drop(whole);

    let work = move |client: Client, _| async move {
        let got = client.count(&everything()).await?;
        ensure!(got == bytes, "a list of {got} bytes instead of {bytes}");
        Ok(())
    };
    let lists = clients.each(0..LISTS, pace.one_by_one(), work).await?;
    let rate = lists.rate() * bytes as f64;
    report.row(Row::of("list all, unpaged", &lists).bytes(rate, |it| it.tls.stream_bytes));

    let (pages, bytes) = pages(clients, stored, pace).await?;
    let rate = bytes as f64 / pages.took.as_secs_f64();
    let title = format!("list all, pages of {PAGE}");
    report.row(Row::of(&title, &pages).bytes(rate, |it| it.tls.page_bytes));
    Ok(())
}

/// Every page of lists, one after the other, with the bytes of all.
async fn pages(clients: &Clients, stored: usize, pace: Pace) -> anyhow::Result<(Figure, u64)> {
    let mut times = histogram();
    let mut bytes = 0;
    let mut items = 0;
    let mut token = String::new();
    let begun = Instant::now();
    for _ in 0..LISTS * stored.div_ceil(PAGE) {
        if begun.elapsed() > pace.patience {
            break;
        }
        let path = format!("{}?limit={PAGE}&continue={token}", everything());
        let start = Instant::now();
        let answer = clients.get(0).send(Method::GET, &path, None).await?.expect(StatusCode::OK)?;
        record(&mut times, start.elapsed());
        bytes += answer.len() as u64;
        items += PAGE;
        token = continue_token(&answer)?;
        ensure!(token.is_empty() == (items >= stored), "the list ended after {items} objects");
        if token.is_empty() {
            items = 0;
        }
    }
    let took = begun.elapsed();
    Ok((Figure { count: usize::try_from(times.len())?, took, times }, bytes))
}

/// The token of the next page; empty for the last one. Found, not parsed: the time of a
/// page is the server's.
fn continue_token(page: &[u8]) -> anyhow::Result<String> {
    const KEY: &[u8] = br#""continue":""#;
    let Some(at) = memmem::find(page, KEY) else { return Ok(String::new()) };
    let rest = &page[at + KEY.len()..];
    let end = memchr::memchr(b'"', rest).unwrap_or(0);
    Ok(String::from_utf8(rest[..end].to_vec())?)
}

/// For figures of two halves.
fn half(pace: Pace) -> Pace {
    Pace { patience: pace.patience / 2, ..pace }
}
