//! Several servers on an etcd of three members, while everything breaks that can.
//!
//! ```text
//! cluster    members, servers, and the ways between them
//!    ▲ breaks and mends one after the other: injector
//!    │ asks: workload ──► history, runs of watches
//!                            ▼
//! linear     is there an order of the operations on one object that explains the answers?
//! told       do watches, lists and acknowledged writes agree?
//! ```
//!
//! `KCPCTL_FAULTS_SECONDS` says how long, `KCPCTL_FAULTS_ONLY` which faults, by a part of
//! their names, and `KCPCTL_FAULTS_SEED` repeats the choices of another run; what the
//! machine makes of them is another matter.

mod cluster;
mod history;
mod injector;
mod linear;
mod told;
mod workload;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;

use self::cluster::Cluster;
use self::history::Operation;
use self::injector::Injector;
use self::workload::{CLIENTS, LAST, Notes, WATCHERS, Watcher, Worker, exports};
use crate::support::{Client, api_export, eventually};

/// How long the suite lasts, unless told otherwise.
const SECONDS: u64 = 60;

/// How many findings are shown.
const SHOWN: usize = 20;

fn told_by_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Says something also where the harness would keep it to itself: a run in CI is to show
/// what it has tried.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn nothing_is_lost_doubled_or_old_whatever_breaks() {
    let seconds = told_by_env("KCPCTL_FAULTS_SECONDS").unwrap_or(SECONDS);
    let seed = told_by_env("KCPCTL_FAULTS_SEED").unwrap_or_else(rand::random);
    let only = std::env::var("KCPCTL_FAULTS_ONLY").unwrap_or_default();
    let mut cluster = Cluster::start();
    let version = cluster.members[0].status().unwrap().0;
    say(&format!("faults: {seconds} s on etcd {version}, KCPCTL_FAULTS_SEED={seed}"));
    let notes = Notes::default();
    let begin = Instant::now();
    let clients = |replicas: &[usize], cluster: &Cluster| -> Vec<Client> {
        replicas.iter().map(|it| cluster.replicas[*it].admin()).collect()
    };
    let faults = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let all = clients(&[0, 1, 2], &cluster);
                let worker = Worker::new(number, all, &notes, begin, seed);
                scope.spawn(|| worker.run())
            })
            .collect();
        for number in 0..WATCHERS {
            let own = [number];
            let replicas = if number < 3 { &own[..] } else { &[0, 1, 2] };
            let clients = clients(replicas, &cluster);
            let random = StdRng::seed_from_u64(seed ^ number as u64);
            let watcher = Watcher { number, clients, notes: &notes, random };
            scope.spawn(|| watcher.run());
        }
        let checked = clients(&[0, 1, 2], &cluster);
        let mut injector = Injector::new(&mut cluster, checked, seed);
        // Whatever becomes of it, the others are to stop.
        let faults = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            injector.run(begin + Duration::from_secs(seconds), &only);
        }));
        notes.stop.store(true, Ordering::Relaxed);
        let faults = faults.map(|()| injector.done);
        // So that nothing is written behind the last object.
        let worked = workers.into_iter().all(|it| it.join().is_ok());
        let client = cluster.replicas[0].admin();
        if faults.is_ok() && worked {
            eventually("the last write", || {
                let status = client.post(exports(), &last()).status;
                matches!(status, 201 | 409).then_some(())
            });
        }
        notes.ended.store(true, Ordering::Relaxed);
        faults
    });
    let faults = faults.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let lists = [0, 1, 2].map(|it| cluster.replicas[it].admin().get(exports()).object(200));
    let report = judge(notes, &faults, &lists);
    say(&report.text);
    assert!(report.losses == 0, "{} losses, with KCPCTL_FAULTS_SEED={seed}", report.losses);
}

fn last() -> serde_json::Value {
    let mut last = api_export(LAST);
    last["spec"]["value"] = serde_json::json!(LAST);
    last
}

struct Report {
    text: String,
    losses: usize,
}

/// Compares everything with everything, and puts it in words.
fn judge(
    notes: Notes,
    faults: &BTreeMap<&'static str, Vec<Duration>>,
    ends: &[serde_json::Value; 3],
) -> Report {
    let operations = notes.operations.into_inner();
    let runs = notes.runs.into_inner();
    let mut findings = notes.strange.into_inner();
    if ends.iter().any(|it| it["items"] != ends[0]["items"]) {
        findings.push("the servers do not list the same at the end".to_owned());
    }
    let mut lists = notes.lists.into_inner();
    lists.extend(ends.iter().map(workload::listed));
    // Known here, and asked for by nobody above.
    let mut explained = operations.clone();
    explained.push(workload::the_last());
    let verdict = told::check(&runs, &lists, &explained);
    findings.extend(verdict.wrong);
    let mut histories: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
    for (name, operation) in &operations {
        histories.entry(name).or_default().push(operation.clone());
    }
    for (name, history) in &histories {
        if let Err(why) = linear::check(history) {
            findings.push(format!("the history of {name} is not linearizable: {why}"));
        }
    }
    let mut text = String::new();
    let mut line = |title: &str, what: String| {
        let _ = writeln!(text, "  {title:<11} {what}");
    };
    line("", format!("{:>8} {:>8} {:>8} {:>8}", "done", "refused", "failed", "maybe"));
    for (kind, [done, refused, failed, maybe]) in workload::count(&operations) {
        line(kind, format!("{done:>8} {refused:>8} {failed:>8} {maybe:>8}"));
    }
    for (what, longest) in workload::longest_waits(&operations) {
        line("without", format!("{what}: {longest:.1} s at most, through any server"));
    }
    let count = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    line(
        "watches",
        format!(
            "{} watchers were told {} changes in {} streams, and listed anew {} times",
            WATCHERS,
            verdict.changes,
            count(&notes.streams),
            count(&notes.lists_anew)
        ),
    );
    line(
        "lists",
        format!(
            "{} lists, {} pages, of which {} had expired",
            lists.len(),
            count(&notes.pages),
            count(&notes.pages_expired)
        ),
    );
    for (fault, mended) in faults {
        let slowest = mended.iter().max().copied().unwrap_or_default().as_secs_f32();
        line(
            "fault",
            format!("{fault}: {} times, well after {slowest:.1} s at most", mended.len()),
        );
    }
    if verdict.unseen > 0 {
        line("unseen", format!("{} writes while all watchers were listing", verdict.unseen));
    }
    line("losses", findings.len().to_string());
    for finding in findings.iter().take(SHOWN) {
        let _ = writeln!(text, "\n{finding}");
    }
    Report { text, losses: findings.len() }
}
