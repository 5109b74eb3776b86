//! How many requests are answered at once. Pure: a count in, a verdict out.
//!
//! A request that reads or changes something takes a place before it does so and gives
//! it back when it is answered, a list when its last byte was taken. A watch has a place
//! of its own kind for as long as it is open. Where no place is free the answer is 429
//! with `Retry-After`, which Kubernetes' clients obey by themselves.
//!
//! # What is absent on purpose
//!
//! Nobody queues: a client that waits for its turn cannot tell that from a server that
//! is stuck. Health checks, `/metrics` and refusals take no place, so that an overloaded
//! server is not taken for a dead one and strangers cannot fill it.

use super::metrics::RequestKind;
use super::status::ApiError;

/// Requests that only read and are being answered at once: what kcp's own server takes.
/// Each holds a snapshot, and a list the pointers to its objects (8 bytes each).
pub const REQUESTS_MAX: usize = 400;

/// Requests that may change something, likewise. Each holds a body of up to 3 MiB.
pub const MUTATING_REQUESTS_MAX: usize = 200;

/// Open watches. Each costs some 10 KiB with its stream, so that this many take a
/// gigabyte; a shard opens some 30.
pub const WATCHES_MAX: usize = 100_000;

/// What administrators have above the limit of everyone, as a factor. The original never
/// refuses them, and there every client is one: with no bound at all a limit is none.
const ADMIN_FACTOR: usize = 2;

/// How many requests are answered at once. Zero is no limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// See [`REQUESTS_MAX`].
    pub reading: usize,
    /// See [`MUTATING_REQUESTS_MAX`].
    pub mutating: usize,
    /// See [`WATCHES_MAX`].
    pub watches: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reading: REQUESTS_MAX, mutating: MUTATING_REQUESTS_MAX, watches: WATCHES_MAX }
    }
}

impl Limits {
    /// How many of a kind there may be at once for somebody to get in.
    ///
    /// An administrator gets in where others do not, up to a bound. A watch stays, so
    /// there nobody does.
    pub fn ceiling(&self, kind: RequestKind, is_admin: bool) -> usize {
        let (limit, factor) = match kind {
            RequestKind::ReadOnly => (self.reading, ADMIN_FACTOR),
            RequestKind::Mutating => (self.mutating, ADMIN_FACTOR),
            RequestKind::Watch => (self.watches, 1),
        };
        match limit {
            0 => usize::MAX,
            limit if is_admin => limit.saturating_mul(factor),
            limit => limit,
        }
    }
}

/// What somebody is told who does not get in.
pub fn refusal(kind: RequestKind, ceiling: usize) -> ApiError {
    let (what, flag) = match kind {
        RequestKind::ReadOnly => ("requests that read are being answered", "max-requests-inflight"),
        RequestKind::Mutating => {
            ("requests that write are being answered", "max-mutating-requests-inflight")
        }
        RequestKind::Watch => ("watches are open", "max-watches"),
    };
    ApiError::too_many_requests(format!(
        "too many requests: {ceiling} {what}, which is as many as --{flag} allows; try again later"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administrators_get_in_where_others_do_not_but_not_without_end() {
        let limits = Limits { reading: 3, mutating: 2, watches: 5 };
        for (kind, everyone, admin) in [
            (RequestKind::ReadOnly, 3, 6),
            (RequestKind::Mutating, 2, 4),
            (RequestKind::Watch, 5, 5),
        ] {
            assert_eq!(limits.ceiling(kind, false), everyone, "{kind:?}");
            assert_eq!(limits.ceiling(kind, true), admin, "{kind:?}");
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits { reading: 0, mutating: 0, watches: 0 };
        for kind in [RequestKind::ReadOnly, RequestKind::Mutating, RequestKind::Watch] {
            assert_eq!(limits.ceiling(kind, false), usize::MAX);
        }
    }
}
