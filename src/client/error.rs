//! What can go wrong between us and a server, and what to do about it.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// A request that brought no usable answer.
///
/// Every variant names the server and the kubeconfig that led to it.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig's certificates or keys cannot be used.
    #[error("failed to use the credentials of {source_name}")]
    Credentials {
        /// The kubeconfig and context.
        source_name: String,
        /// Why.
        #[source]
        cause: Reason,
    },
    /// No connection came about, or it broke.
    #[error("failed to reach the cache server at {server}")]
    Connect {
        /// The server, with the kubeconfig and context.
        server: String,
        /// One clause about who we said that we are.
        identity: String,
        /// What to make of it.
        trouble: Trouble,
        /// Why.
        #[source]
        cause: Reason,
    },
    /// Nothing came for too long.
    #[error("the cache server at {server} sent nothing for {seconds} seconds")]
    Silent {
        /// The server, with the kubeconfig and context.
        server: String,
        /// How long we waited.
        seconds: u64,
    },
    /// The server said no.
    #[error("the cache server at {server} refused the request")]
    Refused {
        /// The server, with the kubeconfig and context.
        server: String,
        /// One clause about who we said that we are.
        identity: String,
        /// What it said.
        #[source]
        refusal: Box<Refusal>,
    },
    /// The answer is not one of a Kubernetes-style server.
    #[error("the cache server at {server} sent an answer that cannot be read")]
    Unreadable {
        /// The server, with the kubeconfig and context.
        server: String,
        /// Why.
        #[source]
        cause: Reason,
    },
}

/// The Status body of a refusal.
#[derive(Clone, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The HTTP code.
    pub code: u16,
    /// The machine's word, such as `Forbidden`; empty if there was none.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// Where to go on inconsistently, after a 410 in the middle of a list.
    pub resume: Option<String>,
}

/// The innermost cause that says something, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);

/// What stands between us and a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Nothing listens there.
    NothingListens,
    /// The host has no address.
    UnknownHost,
    /// The server's certificate comes from another CA than `ca`.
    ForeignCa {
        /// Where the CA that we trust stands.
        ca: String,
    },
    /// The server's certificate is for other names.
    WrongName,
    /// The server's certificate is too old or too new.
    Validity,
    /// The port does not speak TLS.
    NotTls,
    /// The server does not take our client certificate.
    ClientCertificate,
    /// The connection took too long.
    Timeout,
    /// The server ended the connection instead of answering. So does one that wants another
    /// client certificate, if what it says of that is overtaken by the end.
    Closed,
    /// Anything else.
    Other,
}

impl ClientError {
    /// What the user can do next.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Credentials { .. } => {
                "make a new kubeconfig, or name another one with `--kubeconfig`".to_owned()
            }
            Self::Connect { trouble: Trouble::ClientCertificate, identity, .. } => {
                format!("the server does not take the client certificate: {identity}")
            }
            Self::Connect { trouble, .. } => trouble.hint(),
            Self::Silent { .. } => {
                "see the server's log; a smaller part is quicker: `--shard`, `--cluster`".to_owned()
            }
            Self::Refused { refusal, identity, .. } => return refusal.hints(identity),
            Self::Unreadable { .. } => {
                "is it a kcp cache server? Name one with `--kubeconfig`".to_owned()
            }
        };
        vec![hint]
    }

    /// What the server said, if it said no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.as_ref()),
            _ => None,
        }
    }

    /// Whether the server does not know the path.
    pub fn is_not_found(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == 404)
    }

    /// Whether the server no longer has what the request rests on.
    pub fn is_gone(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.code == 410)
    }
}

/// Whether a server has said that it does not take our certificate. On a connection of HTTP/2
/// that was open already only the text is left of what it said.
fn is_of_client_certificate(text: &str) -> bool {
    let alert = text.rsplit_once("received fatal alert: ").map_or("", |(_, alert)| alert);
    matches!(
        alert.trim(),
        "CertificateRequired"
            | "BadCertificate"
            | "UnknownCA"
            | "CertificateExpired"
            | "CertificateUnknown"
            | "AccessDenied"
    )
}

/// Whether a connection has ended. HTTP/2 leaves only the text of that, too.
fn is_of_closed_connection(text: &str) -> bool {
    text.ends_with("broken pipe") || text.ends_with("connection reset")
}

impl Trouble {
    /// Reads it off the chain of causes that ends in `error`.
    pub fn of(error: &(dyn StdError + 'static), ca: &str) -> (Self, Reason) {
        let mut last = Reason(one_line(&error.to_string()));
        let mut next = Some(error);
        let mut closed = false;
        while let Some(error) = next {
            last = Reason(one_line(&error.to_string()));
            closed |= error
                .downcast_ref::<hyper::Error>()
                .is_some_and(|it| it.is_canceled() || it.is_closed() || it.is_incomplete_message());
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return (Self::of_tls(tls, ca), last);
            }
            // An io::Error hides what it wraps from `source`.
            if let Some(io) = error.downcast_ref::<io::Error>() {
                if let Some(inner) = io.get_ref() {
                    next = Some(inner);
                    continue;
                }
                return (Self::of_io(io), last);
            }
            next = error.source();
        }
        let trouble = if is_of_client_certificate(&last.0) {
            Self::ClientCertificate
        } else if last.0.contains("lookup address") || last.0.contains("dns error") {
            Self::UnknownHost
        } else if last.0.contains("timed out") || last.0.contains("deadline") {
            Self::Timeout
        } else if closed || is_of_closed_connection(&last.0) {
            Self::Closed
        } else {
            Self::Other
        };
        (trouble, last)
    }

    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::NothingListens,
            io::ErrorKind::TimedOut => Self::Timeout,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ if error.to_string().contains("lookup address") => Self::UnknownHost,
            _ => Self::Other,
        }
    }

    fn of_tls(error: &rustls::Error, ca: &str) -> Self {
        match error {
            rustls::Error::InvalidCertificate(reason) => match reason {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Validity,
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::ForeignCa { ca: ca.to_owned() }
                }
                _ => Self::Other,
            },
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnknownCA
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::AccessDenied,
            ) => Self::ClientCertificate,
            _ => Self::Other,
        }
    }

    fn hint(&self) -> String {
        let hint = match self {
            Self::ForeignCa { ca } => {
                return format!(
                    "the server's certificate is not signed by {ca}: it is another server, or its \
                     CA was made anew and the kubeconfig is an old one"
                );
            }
            Self::NothingListens => {
                "start one with `kcpctl cache serve`, or name another kubeconfig with `--kubeconfig`"
            }
            Self::UnknownHost => "check the host in the kubeconfig's `server`",
            Self::WrongName => {
                "use a host name that the certificate is for, or set `tls-server-name` in the \
                 kubeconfig"
            }
            Self::Validity => "renew the server's certificate, and compare both clocks",
            Self::NotTls => {
                "this port does not speak TLS: check the port in the kubeconfig's `server`"
            }
            Self::Timeout => "check the address, and whether a firewall lets it through",
            Self::Closed => {
                "see the server's log: it may not take the kubeconfig's client certificate"
            }
            Self::ClientCertificate | Self::Other => {
                "see the server's log, or name another kubeconfig with `--kubeconfig`"
            }
        };
        hint.to_owned()
    }
}

impl Refusal {
    fn hints(&self, identity: &str) -> Vec<String> {
        let hint = match self.code {
            400 if self.message.contains("HTTP request to an HTTPS server") => {
                "the kubeconfig's `server` has to begin with `https://`"
            }
            401 | 403 => {
                let advice = if self.message.contains("system:anonymous") || self.code == 401 {
                    "the server knows nobody by these credentials: use a client certificate that \
                     is signed by its client CA"
                } else {
                    "the server knows you, and does not let you: use a certificate of a group \
                     that may, such as `kcpctl:reader` or `system:masters`"
                };
                return vec![identity.to_owned(), advice.to_owned()];
            }
            404 => "is it a kcp cache server? Name one with `--kubeconfig`",
            410 => "run it again; if it happens again, read less: `--shard`, `--cluster`",
            429 | 503 => "the server is busy: try again in a moment",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

/// `text` without line breaks.
pub(super) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(inner: impl Into<Box<dyn StdError + Send + Sync>>) -> io::Error {
        io::Error::other(inner)
    }

    #[test]
    fn the_innermost_cause_decides() {
        let refused = wrapped(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(Trouble::of(&refused, "x").0, Trouble::NothingListens);

        let issuer = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let (trouble, reason) = Trouble::of(&wrapped(issuer), "`ca.crt`");
        assert_eq!(trouble, Trouble::ForeignCa { ca: "`ca.crt`".to_owned() });
        assert_eq!(reason.0, "invalid peer certificate: UnknownIssuer");
    }

    #[test]
    fn what_only_the_text_is_left_of_is_still_understood() {
        for (text, trouble) in [
            ("received fatal alert: BadCertificate", Trouble::ClientCertificate),
            ("connection error: received fatal alert: UnknownCA", Trouble::ClientCertificate),
            ("received fatal alert: HandshakeFailure", Trouble::Other),
            ("BadCertificate", Trouble::Other),
            ("stream closed because of a broken pipe", Trouble::Closed),
        ] {
            assert_eq!(Trouble::of(&wrapped(text), "x").0, trouble, "{text}");
        }
    }

    #[test]
    fn every_refusal_that_can_be_mended_says_how() {
        let hints = |code, message: &str| {
            Refusal { code, message: message.to_owned(), ..Refusal::default() }
                .hints("you showed x")
        };
        let anonymous = hints(403, "User \"system:anonymous\" cannot");
        assert!(anonymous[0] == "you showed x" && anonymous[1].contains("client CA"));
        assert!(hints(403, "User \"bob\" cannot")[1].contains("kcpctl:reader"));
        assert!(hints(410, "")[0].contains("--shard"));
        assert!(hints(422, "").is_empty());
    }
}
