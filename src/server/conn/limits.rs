//! What a connection may cost us, each figure with its unit and its reason.

use std::time::Duration;

use super::flow::Patience;

/// How long a client may take over the TLS handshake. Scanners that connect and say
/// nothing are gone after this.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an HTTP/1.1 connection may take to send the head of a request, and any
/// connection may stay without one. Longer than Go's client keeps an idle connection (90 s), so that
/// it is the client who closes and no request meets a connection that just ended.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(95);

/// Requests that one HTTP/2 connection may have open unless told otherwise. A shard opens
/// some 30 watches over one connection and a front-proxy many more; at the original's
/// 100, Go's clients open another connection. Each can make us hold two slices of
/// [`SEND_BUFFER_BYTES`].
pub const STREAMS_MAX: u32 = 1000;

/// How long an HTTP/2 connection may be silent before it is asked for a sign of life.
/// Below the idle limit of common load balancers (60 s), so that they keep it too.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long the sign of life may take. With the interval, a peer that vanished is
/// noticed within a minute.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes that the head of a request may have, all headers and the URL together. A
/// label selector stands in the URL, so this is not small.
pub const HEADER_BYTES_MAX: u32 = 64 << 10;

/// Bytes that an HTTP/1.1 connection reads ahead, or holds of an answer that is on its
/// way: some frames of 16 KiB, and twice the largest head.
pub const H1_BUFFER_BYTES: usize = 128 << 10;

/// Bytes that a client may send ahead on one HTTP/2 request before it is read: 12
/// round trips for the largest body that is accepted.
pub const STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// The same, all requests of a connection together: this is what a client can make us
/// hold by sending bodies that nobody reads.
pub const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Bytes of one answer that wait in an HTTP/2 connection for the client to read on, and
/// of the largest slice that it is handed at once. With the streams it bounds what a
/// client costs that asks and does not read. Longer answers count among the requests
/// that are being answered until they were taken.
pub const SEND_BUFFER_BYTES: usize = 64 << 10;

/// Bytes of the largest HTTP/2 frame that we accept and send: a frame is one TLS
/// record, and this is the largest.
pub const FRAME_BYTES: u32 = 16 << 10;

/// How long a connection may refuse to take bytes that wait for it unless told
/// otherwise. It is then closed: a reader that stopped reading must not hold a snapshot
/// of the data for ever. One HTTP/2 answer that is not taken for so long is given up.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How many times longer one slice of an HTTP/2 answer may wait while others of the
/// connection move, before it is closed too. A slice that takes so long goes at a hundred
/// bytes a second.
pub const UNREAD_FACTOR: u32 = 10;

/// How often it is looked after who reads, in the time that is waited.
pub const LOOKS: u32 = 4;

/// Open connections. Each costs about 60 KiB with its TLS buffers; at the limit new
/// ones wait in the listener's queue. Lower where the process may open fewer files.
pub const CONNECTIONS_MAX: usize = 16_384;

/// Files that the process needs besides its connections: the store's, above all.
pub const FILES_RESERVED: usize = 512;

/// How long to wait after a failed accept, at first. Out of file descriptors, accept
/// fails at once and again, and would take a whole core.
pub const ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(10);

/// The same at most: a client that waits this long has not given up.
pub const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How long requests that were begun may take after the first signal. Below the 30 s
/// after which Kubernetes kills a container.
pub const DRAIN_GRACE: Duration = Duration::from_secs(20);

/// How often certificate files are read again. They are small, and a certificate that
/// was renewed is wanted within moments.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// How long a verdict on a client certificate stands before it is judged again, so
/// that an intermediate which expires is noticed too.
pub const VERDICT_MAX_AGE: Duration = Duration::from_secs(60);

/// The part of the life of a client's certificate that is left when its connection is asked to
/// leave, so that the client comes back with a newer one: less than what is left when those who
/// renew certificates do so, which is a third or a half.
pub const LEAVE_BEFORE_PART: u64 = 10;

/// The same at most, of a certificate that lives long.
pub const LEAVE_BEFORE_MAX: Duration = Duration::from_secs(60);

/// The limits that a test must be able to reach.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// See [`HANDSHAKE_TIMEOUT`].
    pub handshake_timeout: Duration,
    /// See [`HEADER_TIMEOUT`].
    pub header_timeout: Duration,
    /// See [`STALL_TIMEOUT`].
    pub stall_timeout: Duration,
    /// See [`STREAMS_MAX`].
    pub streams: u32,
    /// See [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// See [`DRAIN_GRACE`].
    pub drain_grace: Duration,
    /// See [`RELOAD_INTERVAL`].
    pub reload_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_timeout: HANDSHAKE_TIMEOUT,
            header_timeout: HEADER_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            streams: STREAMS_MAX,
            connections: connections_max(),
            drain_grace: DRAIN_GRACE,
            reload_interval: RELOAD_INTERVAL,
        }
    }
}

impl Limits {
    /// How long a client of HTTP/2 may do nothing.
    pub(super) fn patience(&self) -> Patience {
        let Self { stall_timeout: stall, header_timeout: idle, .. } = *self;
        Patience { stall, unread: stall * UNREAD_FACTOR, idle }
    }
}

/// As many connections as the process may open files for.
fn connections_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = open_files_max(&limits).unwrap_or(usize::MAX);
    files.saturating_sub(FILES_RESERVED).clamp(FILES_RESERVED / 2, CONNECTIONS_MAX)
}

/// The soft limit of open files in `/proc/self/limits`; none if there is no limit.
fn open_files_max(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_found() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 1048576              files\n";
        assert_eq!(open_files_max(limits), Some(1024));
        assert_eq!(open_files_max("Max open files  unlimited unlimited files\n"), None);
        assert_eq!(open_files_max(""), None);
    }
}
