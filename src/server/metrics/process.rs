//! The process as the system sees it, under the names that every exporter uses.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Ticks a second of the times in `/proc`, which Linux fixes for user space.
const TICKS_A_SECOND: f64 = 100.0;

/// The metrics of this moment. What the system does not tell is left out.
pub(super) fn registry() -> Registry {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut registry = Registry::default();
    let (stat, status) = (read("/proc/self/stat"), read("/proc/self/status"));
    if let Some(seconds) = cpu_seconds(&stat) {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(seconds);
        registry.register("process_cpu_seconds", "CPU time spent, in seconds", counter);
    }
    let mut gauge = |name: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            let gauge = Gauge::<f64, AtomicU64>::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
    };
    gauge("process_resident_memory_bytes", "Memory in use", kibibytes(&status, "VmRSS:"));
    gauge("process_virtual_memory_bytes", "Memory that is mapped", kibibytes(&status, "VmSize:"));
    let started = started_seconds(&stat, &read("/proc/stat"));
    gauge("process_start_time_seconds", "When it was started, in seconds since 1970", started);
    gauge("process_open_fds", "Files that are open", open_files());
    let limit = open_files_max(&read("/proc/self/limits"));
    gauge("process_max_fds", "Files that may be open", limit);
    registry
}

/// The fields of `/proc/self/stat` from the third on: the second is a name in
/// parentheses that may hold anything.
fn stat_fields(stat: &str) -> impl Iterator<Item = &str> {
    stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace()
}

/// The `nth` field of `/proc/self/stat`, as its manual counts, as seconds.
fn stat_seconds(stat: &str, nth: usize) -> Option<f64> {
    stat_fields(stat).nth(nth - 3)?.parse::<f64>().ok().map(|ticks| ticks / TICKS_A_SECOND)
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some(stat_seconds(stat, 14)? + stat_seconds(stat, 15)?)
}

fn started_seconds(stat: &str, system: &str) -> Option<f64> {
    let booted = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(booted.trim().parse::<f64>().ok()? + stat_seconds(stat, 22)?)
}

fn kibibytes(status: &str, name: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes = value.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()?;
    Some(kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count();
    // The one that counts them is not counted.
    u32::try_from(files.saturating_sub(1)).ok().map(f64::from)
}

fn open_files_max(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_a_strange_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 4 0 1000 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(started_seconds(stat, "cpu 1\nbtime 100\n"), Some(110.0));
        assert_eq!(cpu_seconds(""), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tkcpctl\nVmSize:\t  300 kB\nVmRSS:\t    2 kB\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(2048.0));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }
}
