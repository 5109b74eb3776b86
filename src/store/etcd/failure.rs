//! What an error of etcd means. Pure: the code and the words in, a verdict out.

use crate::store::Error;

/// What went wrong, as far as anybody acts on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// In etcd's words, with their causes.
    pub(super) reason: String,
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// That revision was compacted.
    Compacted,
    /// The request is over a limit on sizes.
    TooLarge,
    /// The alarm NOSPACE holds.
    NoSpace,
    /// Nobody was reached: nothing was done.
    NotSent,
    /// It was understood and refused: nothing was done, nor will be by another member.
    Refused,
    /// Anything else: it may have been done, and another member may do better.
    Unknown,
}

// What gRPC calls them.
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const PERMISSION_DENIED: i32 = 7;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;
const OUT_OF_RANGE: i32 = 11;
const UNAUTHENTICATED: i32 = 16;

/// Words that tell that nothing was done.
const NOT_SENT: [&str; 10] = [
    "connect error",
    "dns error",
    "peer certificate",
    "fatal alert: BadCertificate",
    "fatal alert: CertificateExpired",
    "fatal alert: CertificateRequired",
    "fatal alert: CertificateRevoked",
    "fatal alert: CertificateUnknown",
    "fatal alert: UnknownCA",
    "etcdserver: no leader",
];

impl Failure {
    /// No answer came in time.
    pub(super) fn late(seconds: f32) -> Self {
        Self { kind: Kind::Unknown, reason: format!("no answer within {seconds} s") }
    }

    /// What this was to somebody who was `doing` something, a clause after "failed to".
    pub(super) fn into_error(self, doing: &str, writes: bool) -> Error {
        let maybe_done = writes && self.kind == Kind::Unknown;
        match self.kind {
            Kind::NoSpace => Error::NoSpace,
            _ => Error::Remote { doing: doing.to_owned(), reason: self.reason, maybe_done },
        }
    }

    fn of(code: Option<i32>, reason: String) -> Self {
        let says = |words: &str| reason.contains(words);
        let kind = match code {
            Some(OUT_OF_RANGE) if says("has been compacted") => Kind::Compacted,
            Some(RESOURCE_EXHAUSTED) if says("space exceeded") => Kind::NoSpace,
            Some(RESOURCE_EXHAUSTED) if says("larger than max") => Kind::TooLarge,
            Some(INVALID_ARGUMENT) if says("request is too large") => Kind::TooLarge,
            Some(
                INVALID_ARGUMENT | NOT_FOUND | PERMISSION_DENIED | RESOURCE_EXHAUSTED
                | FAILED_PRECONDITION | OUT_OF_RANGE | UNAUTHENTICATED,
            ) => Kind::Refused,
            // Nobody who refuses a certificate has read what came after it, and a member
            // without a leader refuses before it begins.
            _ if NOT_SENT.into_iter().any(says) => Kind::NotSent,
            _ => Kind::Unknown,
        };
        Self { kind, reason }
    }
}

impl From<etcd_client::Error> for Failure {
    fn from(error: etcd_client::Error) -> Self {
        match error {
            etcd_client::Error::GRpcStatus(status) => {
                let mut reason = status.message().to_owned();
                causes(&mut reason, std::error::Error::source(&status));
                Self::of(Some(i32::from(status.code())), reason)
            }
            etcd_client::Error::TransportError(error) => {
                let mut reason = error.to_string();
                causes(&mut reason, std::error::Error::source(&error));
                Self::of(None, reason)
            }
            error => Self::of(None, error.to_string()),
        }
    }
}

/// Appends what is not said yet.
fn causes(text: &mut String, mut cause: Option<&(dyn std::error::Error + 'static)>) {
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_etcd_says_is_understood() {
        for (code, reason, kind) in [
            (11, "etcdserver: mvcc: required revision has been compacted", Kind::Compacted),
            (11, "etcdserver: mvcc: required revision is a future revision", Kind::Refused),
            (8, "etcdserver: mvcc: database space exceeded", Kind::NoSpace),
            (3, "etcdserver: request is too large", Kind::TooLarge),
            (8, "grpc: received message larger than max (9 vs. 4)", Kind::TooLarge),
            (14, "etcdserver: leader changed", Kind::Unknown),
            (14, "etcdserver: request timed out", Kind::Unknown),
            (14, "tcp connect error: Connection refused (os error 111)", Kind::NotSent),
            (14, "etcdserver: no leader", Kind::NotSent),
            (14, "transport error: received fatal alert: CertificateExpired", Kind::NotSent),
            (7, "etcdserver: permission denied", Kind::Refused),
            (13, "h2 protocol error", Kind::Unknown),
        ] {
            assert_eq!(Failure::of(Some(code), reason.to_owned()).kind, kind, "{reason}");
        }
    }

    #[test]
    fn only_a_write_without_an_answer_may_have_been_done() {
        let error = |kind, writes| {
            Failure { kind, reason: String::new() }.into_error("write", writes).is_maybe_done()
        };
        assert!(error(Kind::Unknown, true));
        assert!(!error(Kind::Unknown, false));
        assert!(!error(Kind::NotSent, true));
        assert!(!error(Kind::Refused, true));
    }
}
