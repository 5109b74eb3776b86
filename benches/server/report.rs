//! What is printed: the limits, then each figure beside its limits.
//!
//! Both are known only at the end; until then stderr says what was done.

use std::io::{self, Write};
use std::time::Duration;

use crate::Args;
use crate::limits::{BATCH, Limits};
use crate::load::Figure;
use crate::process::Usage;

/// JSON below this is not compared with memory: the server itself would be the figure.
const COMPARED_BYTES_MIN: u64 = 1 << 20;

/// Collects figures.
pub(crate) struct Report {
    args: Args,
    lines: Vec<Line>,
}

enum Line {
    Row(Row),
    Text(String),
}

/// One figure, and its limits.
pub(crate) struct Row {
    title: String,
    rate: f64,
    bytes: Option<f64>,
    times: Option<[u64; 2]>,
    limits: Vec<(String, f64, Limit)>,
}

/// Finds the limit of a figure.
type Limit = fn(&Limits) -> f64;

impl Row {
    /// A figure with no limit yet.
    pub(crate) fn of(title: &str, figure: &Figure) -> Self {
        let times = [0.50, 0.99].map(|it| figure.times.value_at_quantile(it));
        Self {
            title: title.to_owned(),
            rate: figure.rate(),
            bytes: None,
            times: Some(times),
            limits: Vec::new(),
        }
    }

    /// Bytes a second and nothing else.
    fn of_bytes(title: &str, rate: f64) -> Self {
        Self { title: title.to_owned(), rate: 0.0, bytes: Some(rate), times: None, limits: vec![] }
    }

    /// Holds the rate against what could be done a second.
    pub(crate) fn limit(mut self, of: &str, limit: Limit) -> Self {
        self.limits.push((of.to_owned(), self.rate, limit));
        self
    }

    /// Holds bytes a second against those that the TLS stack can do.
    pub(crate) fn bytes(mut self, rate: f64, limit: Limit) -> Self {
        self.bytes = Some(rate);
        self.limits.push(("TLS".to_owned(), rate, limit));
        self
    }

    fn write(&self, out: &mut impl Write, limits: &Limits) -> io::Result<()> {
        let rate = self.times.map_or_else(String::new, |_| format!("{:.1}", self.rate));
        let bytes = self.bytes.map_or_else(String::new, |it| format!("{:.0} MB/s", it / 1e6));
        let millis = |nanos: u64| format!("{:.3}", nanos as f64 / 1e6);
        let [p50, p99] = self.times.map_or([const { String::new() }; 2], |it| it.map(millis));
        let share = |(of, rate, limit): &(String, f64, Limit)| {
            format!("{:.0} % of {of}", 100.0 * rate / limit(limits))
        };
        let shares: Vec<String> = self.limits.iter().map(share).collect();
        let (title, shares) = (&self.title, shares.join(", "));
        let line = format!("{title:40}{rate:>11}{bytes:>12}{p50:>10}{p99:>10}   {shares}");
        writeln!(out, "{}", line.trim_end())
    }
}

impl Report {
    pub(crate) fn begin(args: &Args) -> Self {
        Self { args: args.clone(), lines: Vec::new() }
    }

    pub(crate) fn row(&mut self, row: Row) {
        // Nobody's error if nobody looks.
        let _ = writeln!(io::stderr(), "measured: {}", row.title);
        self.lines.push(Line::Row(row));
    }

    pub(crate) fn text(&mut self, text: String) {
        self.lines.push(Line::Text(text));
    }

    pub(crate) fn memory(&mut self, when: &str, usage: Usage) {
        let Usage { resident, resident_max, objects, history, disk } = usage;
        let [now, max, json, history, disk] =
            [resident, resident_max, objects, history, disk].map(|it| it >> 20);
        let ratio = if objects >= COMPARED_BYTES_MIN {
            format!("; memory is {:.2} times the JSON", resident as f64 / objects as f64)
        } else {
            String::new()
        };
        self.text(format!(
            "  {when}: memory {now} MiB, {max} at most; JSON {json}, history {history}, on disk {disk}{ratio}"
        ));
    }

    pub(crate) fn restart(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.text(format!("  killed and started again: {seconds:.2} s until it listened"));
    }

    /// Prints everything.
    pub(crate) fn print(&self, limits: &Limits) -> io::Result<()> {
        let out = &mut io::stdout().lock();
        let Args { objects, size, connections, in_flight, watchers, .. } = self.args;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        writeln!(
            out,
            "kcpctl {}: {objects} objects of {size} bytes; {connections} connections; {cores} cores for server and clients together; times in milliseconds",
            env!("CARGO_PKG_VERSION"),
        )?;
        heading(out, "limits of this machine")?;
        let Limits { disk, tls } = limits;
        for row in [
            Row::of("disk: append, 1 write a sync", &disk.single),
            Row::of(&format!("disk: append, {BATCH} writes a sync"), &disk.batch),
            Row::of("TLS: object up and down, 1 at a time", &tls.exchange_single),
            Row::of(&format!("TLS: object up and down, {in_flight} at a time"), &tls.exchange),
            Row::of("TLS: object down, 1 at a time", &tls.fetch_single),
            Row::of(&format!("TLS: object down, {in_flight} at a time"), &tls.fetch),
            Row::of_bytes("TLS: one long answer", tls.stream_bytes),
            Row::of_bytes("TLS: answers of 1 MiB, 1 at a time", tls.page_bytes),
            Row::of_bytes(&format!("TLS: {watchers} long answers at once"), tls.streams_bytes),
        ] {
            row.write(out, limits)?;
        }
        heading(out, "the server")?;
        for line in &self.lines {
            match line {
                Line::Row(row) => row.write(out, limits)?,
                Line::Text(text) => writeln!(out, "{text}")?,
            }
        }
        Ok(())
    }
}

fn heading(out: &mut impl Write, title: &str) -> io::Result<()> {
    let [rate, bytes, p50, p99] = ["per second", "bytes", "p50", "p99"];
    writeln!(out, "\n{title:40}{rate:>11}{bytes:>12}{p50:>10}{p99:>10}   of its limit")
}
