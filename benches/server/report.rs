//! What is printed: limits first, then each figure beside its limit.

use std::io::{Stdout, Write as _};
use std::time::Duration;

use crate::Args;
use crate::limits::{BATCH, Disk, Tls};
use crate::load::Figure;
use crate::process::Usage;

/// Prints line by line, so that a run that is ended early has told something.
pub(crate) struct Report {
    out: Stdout,
    in_flight: usize,
    watchers: usize,
}

/// One figure, and its limits.
pub(crate) struct Row {
    title: String,
    rate: f64,
    bytes: Option<f64>,
    p50: u64,
    p99: u64,
    limits: Vec<String>,
}

impl Row {
    /// A figure with no limit yet.
    pub(crate) fn of(title: &str, figure: &Figure) -> Self {
        Self {
            title: title.to_owned(),
            rate: figure.rate(),
            bytes: None,
            p50: figure.times.value_at_quantile(0.50),
            p99: figure.times.value_at_quantile(0.99),
            limits: Vec::new(),
        }
    }

    /// Holds the rate against what could be done a second.
    pub(crate) fn limit(mut self, of: &str, limit: f64) -> Self {
        self.limits.push(format!("{:.0} % of {of}", 100.0 * self.rate / limit));
        self
    }

    /// Holds bytes a second against those that the TLS stack can do.
    pub(crate) fn bytes(mut self, rate: f64, limit: f64) -> Self {
        self.bytes = Some(rate);
        self.limits.push(format!("{:.0} % of TLS", 100.0 * rate / limit));
        self
    }
}

impl Report {
    pub(crate) fn begin(args: &Args) -> Self {
        let mut report =
            Self { out: std::io::stdout(), in_flight: args.in_flight, watchers: args.watchers };
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        report.line(&format!(
            "kcpctl {}: {} objects of {} bytes; {} connections, {} requests at a time; {cores} cores for server and clients together",
            env!("CARGO_PKG_VERSION"),
            args.objects,
            args.size,
            args.connections,
            args.in_flight
        ));
        report.heading("limits of this machine");
        report
    }

    pub(crate) fn disk(&mut self, disk: &Disk) {
        let Disk { single, batch } = disk;
        self.row(&Row::of("disk: append, 1 write a sync", single));
        self.row(&Row::of(&format!("disk: append, {BATCH} writes a sync"), batch));
    }

    pub(crate) fn tls(&mut self, tls: &Tls) {
        let many = self.in_flight;
        self.row(&Row::of("TLS: object up and down, 1 at a time", &tls.exchange_single));
        self.row(&Row::of(&format!("TLS: object up and down, {many} at a time"), &tls.exchange));
        self.row(&Row::of("TLS: object down, 1 at a time", &tls.fetch_single));
        self.row(&Row::of(&format!("TLS: object down, {many} at a time"), &tls.fetch));
        for (title, rate) in [
            ("TLS: one long answer".to_owned(), tls.stream_bytes),
            ("TLS: answers of 1 MiB, 1 at a time".to_owned(), tls.page_bytes),
            (format!("TLS: {} long answers at once", self.watchers), tls.streams_bytes),
        ] {
            self.line(&format!("{title:44} {:>10} {:>8.0} MB/s", "", rate / 1e6));
        }
    }

    pub(crate) fn begin_cases(&mut self) {
        self.heading("the server");
    }

    pub(crate) fn row(&mut self, row: &Row) {
        let Row { title, rate, bytes, p50, p99, limits } = row;
        let bytes = bytes.map_or_else(String::new, |rate| format!("{:.0} MB/s", rate / 1e6));
        self.line(&format!(
            "{title:44} {rate:>10.1} {bytes:>13} {:>10} {:>10}   {}",
            millis(*p50),
            millis(*p99),
            limits.join(", ")
        ));
    }

    pub(crate) fn memory(&mut self, when: &str, usage: Usage) {
        let Usage { resident, resident_max, objects, history, disk } = usage;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let ratio = if objects > 1 << 20 {
            format!("; memory is {:.2} of the JSON", resident as f64 / objects as f64)
        } else {
            String::new()
        };
        self.line(&format!(
            "  memory {when}: {:.0} MiB now, {:.0} MiB at most; JSON {:.0} MiB, history {:.0} MiB, on disk {:.0} MiB{ratio}",
            mib(resident),
            mib(resident_max),
            mib(objects),
            mib(history),
            mib(disk)
        ));
    }

    pub(crate) fn restart(&mut self, took: Duration) {
        self.line(&format!(
            "  killed and started again: {:.2} s until it listened",
            took.as_secs_f64()
        ));
    }

    fn heading(&mut self, title: &str) {
        let columns = ["per second", "bytes", "p50", "p99"];
        let [rate, bytes, p50, p99] = columns;
        self.line(&format!(
            "\n{title:44} {rate:>10} {bytes:>13} {p50:>10} {p99:>10}   of its limit"
        ));
    }

    fn line(&mut self, text: &str) {
        // A closed pipe is nobody's error.
        let _ = writeln!(self.out, "{text}");
    }

    pub(crate) fn end(&mut self) {
        self.line(&format!(
            "\n{} watchers; times in milliseconds, those of a sync for the disk",
            self.watchers
        ));
    }
}

fn millis(nanos: u64) -> String {
    format!("{:.3}", nanos as f64 / 1e6)
}
