//! Who asks, and what they may do. Pure: values in, a verdict out.
//!
//! A client certificate's common name is the user and its organisations are the
//! groups. Groups decide everything:
//!
//! | group | may |
//! |---|---|
//! | `system:masters` | everything, on both planes |
//! | `kcpctl:shard:<name>` | read the cache plane, write below `/shards/<name>/` |
//! | `kcpctl:reader` | read the cache plane |
//! | `kcpctl:metrics` | read `/metrics` |
//! | anyone, also nobody | read the health paths |
//!
//! # What is absent on purpose
//!
//! No path is taken apart here: `path` says what is asked as an [`Access`]. No
//! certificate is checked here: `conn` does that, and a certificate which does not
//! pass makes [`Identity::anonymous`].

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::model::{Shard, ShardName};

/// The group that may do everything.
pub const GROUP_MASTERS: &str = "system:masters";
/// What a shard's group begins with; the shard's name follows.
pub const GROUP_SHARD_PREFIX: &str = "kcpctl:shard:";
/// The group that may read the cache plane.
pub const GROUP_READER: &str = "kcpctl:reader";
/// The group that may read `/metrics`.
pub const GROUP_METRICS: &str = "kcpctl:metrics";
/// The user who showed no certificate, or none that passed.
pub const USER_ANONYMOUS: &str = "system:anonymous";
/// The one group of that user.
pub const GROUP_UNAUTHENTICATED: &str = "system:unauthenticated";

/// Somebody, and what their groups allow. A clone costs one counter.
#[derive(Clone, Debug)]
pub struct Identity(Arc<Somebody>);

#[derive(Debug)]
struct Somebody {
    user: String,
    groups: Vec<String>,
    rights: Rights,
}

/// The groups that mean something, found once so that a request compares no strings
/// that cannot matter.
#[derive(Debug, Default)]
struct Rights {
    everything: bool,
    read_cache: bool,
    metrics: bool,
    shards: Vec<ShardName>,
}

/// What a request asks to do, as far as permission goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access<'a> {
    /// `/healthz`, `/livez` and `/readyz`.
    Health,
    /// `/metrics`.
    Metrics,
    /// Reading objects, discovery or schemas on the cache plane.
    ReadCache,
    /// Changing objects on the cache plane.
    WriteCache {
        /// Where.
        shard: &'a Shard,
    },
    /// Anything on the control plane, which holds CA keys.
    Control,
    /// Anything else.
    Other,
}

/// What was asked, in the words of the API, for the sentence that refuses it.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// A verb on a resource.
    Resource {
        /// Such as `list`.
        verb: &'a str,
        /// The plural name.
        resource: &'a str,
        /// Such as `status`; empty for the object itself.
        subresource: &'a str,
        /// The API group; empty for the core group.
        group: &'a str,
        /// The namespace; empty for none.
        namespace: &'a str,
        /// The object; empty for none.
        name: &'a str,
    },
    /// A method on a path that names no resource.
    Path {
        /// The method in lower case.
        verb: &'a str,
        /// The path below the shard and cluster.
        path: &'a str,
    },
}

impl Identity {
    /// A user of some groups.
    pub fn new(user: String, groups: Vec<String>) -> Self {
        let rights = Rights::of(&groups);
        Self(Arc::new(Somebody { user, groups, rights }))
    }

    /// Nobody in particular.
    pub fn anonymous() -> Self {
        static ANONYMOUS: LazyLock<Identity> = LazyLock::new(|| {
            Identity::new(USER_ANONYMOUS.to_owned(), vec![GROUP_UNAUTHENTICATED.to_owned()])
        });
        ANONYMOUS.clone()
    }

    /// Whom a certificate names, which someone else has checked; none if it names
    /// no user.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let subject = certificate.subject();
        // Of several common names the last one counts, as for other API servers.
        let user = subject.iter_common_name().last()?.as_str().ok()?;
        if user.is_empty() {
            return None;
        }
        let groups = subject
            .iter_organization()
            .map(|group| group.as_str().map(ToOwned::to_owned))
            .collect::<Result<_, _>>()
            .ok()?;
        Some(Self::new(user.to_owned(), groups))
    }

    /// The user's name.
    pub fn user(&self) -> &str {
        &self.0.user
    }

    /// The user's groups.
    pub fn groups(&self) -> &[String] {
        &self.0.groups
    }

    /// Whether this is nobody in particular.
    pub fn is_anonymous(&self) -> bool {
        self.0.user == USER_ANONYMOUS
    }

    /// Whether the user may do everything.
    pub fn is_admin(&self) -> bool {
        self.0.rights.everything
    }

    /// Whether the user may do what is asked.
    pub fn may(&self, access: Access<'_>) -> bool {
        let rights = &self.0.rights;
        rights.everything
            || match access {
                Access::Health => true,
                Access::Metrics => rights.metrics,
                Access::ReadCache => rights.read_cache,
                Access::WriteCache { shard: Shard::Named(name) } => rights.shards.contains(name),
                Access::WriteCache { shard: Shard::All } | Access::Control | Access::Other => false,
            }
    }
}

impl Rights {
    fn of(groups: &[String]) -> Self {
        let mut rights = Self::default();
        for group in groups {
            match group.as_str() {
                GROUP_MASTERS => rights.everything = true,
                GROUP_READER => rights.read_cache = true,
                GROUP_METRICS => rights.metrics = true,
                group => {
                    // The group of a name that no shard can have gives nothing.
                    let name = group.strip_prefix(GROUP_SHARD_PREFIX);
                    if let Some(name) = name.and_then(|name| name.parse().ok()) {
                        rights.read_cache = true;
                        rights.shards.push(name);
                    }
                }
            }
        }
        rights
    }
}

/// The whole message of a 403, in the words that clients of API servers know.
pub fn forbidden_message(identity: &Identity, asked: &Asked<'_>) -> String {
    let user = quoted(identity.user());
    let mut message = String::new();
    match *asked {
        Asked::Path { verb, path } => {
            let path = quoted(path);
            message = format!("forbidden: User {user} cannot {verb} path {path}");
        }
        Asked::Resource { verb, resource, subresource, group, namespace, name } => {
            message.push_str(resource);
            if !group.is_empty() {
                let _ = write!(message, ".{group}");
            }
            if !name.is_empty() {
                let _ = write!(message, " {}", quoted(name));
            }
            let _ = write!(message, " is forbidden: User {user} cannot {verb} resource ");
            if subresource.is_empty() {
                message.push_str(&quoted(resource));
            } else {
                message.push_str(&quoted(&format!("{resource}/{subresource}")));
            }
            let _ = write!(message, " in API group {}", quoted(group));
            if namespace.is_empty() {
                message.push_str(" at the cluster scope");
            } else {
                let _ = write!(message, " in the namespace {}", quoted(namespace));
            }
        }
    }
    message
}

/// `text` between quotes, with Go's escapes, and with nothing that a browser would
/// take for markup.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member_of(groups: &[&str]) -> Identity {
        Identity::new("someone".to_owned(), groups.iter().map(ToString::to_string).collect())
    }

    /// Health, metrics, read, write to amber, write to root, write everywhere,
    /// control, other.
    fn allowed(identity: &Identity) -> [bool; 8] {
        let amber = "amber".parse().unwrap();
        let root = "root".parse().unwrap();
        [
            Access::Health,
            Access::Metrics,
            Access::ReadCache,
            Access::WriteCache { shard: &amber },
            Access::WriteCache { shard: &root },
            Access::WriteCache { shard: &Shard::All },
            Access::Control,
            Access::Other,
        ]
        .map(|access| identity.may(access))
    }

    #[test]
    fn masters_may_do_everything() {
        assert_eq!(allowed(&member_of(&["a", "system:masters"])), [true; 8]);
    }

    #[test]
    fn a_shard_reads_everything_and_writes_below_its_own_name() {
        assert_eq!(
            allowed(&member_of(&["kcpctl:shard:amber"])),
            [true, false, true, true, false, false, false, false]
        );
        assert_eq!(
            allowed(&member_of(&["kcpctl:shard:amber", "kcpctl:shard:root"])),
            [true, false, true, true, true, false, false, false]
        );
    }

    #[test]
    fn a_reader_reads_the_cache_alone() {
        assert_eq!(
            allowed(&member_of(&["kcpctl:reader"])),
            [true, false, true, false, false, false, false, false]
        );
    }

    #[test]
    fn the_metrics_group_reads_metrics_alone() {
        assert_eq!(
            allowed(&member_of(&["kcpctl:metrics"])),
            [true, true, false, false, false, false, false, false]
        );
    }

    #[test]
    fn anyone_else_reads_health_alone() {
        let health = [true, false, false, false, false, false, false, false];
        assert_eq!(allowed(&Identity::anonymous()), health);
        for group in [
            "",
            "system:master",
            "system:masters ",
            "kcpctl:shard:",
            "kcpctl:shard:*",
            "kcpctl:shard:Amber",
            "kcpctl:readers",
        ] {
            assert_eq!(allowed(&member_of(&[group])), health, "{group:?}");
        }
    }

    #[test]
    fn a_user_called_anonymous_gains_nothing_by_it() {
        let masters = Identity::new(USER_ANONYMOUS.to_owned(), vec![]);
        assert_eq!(allowed(&masters), allowed(&Identity::anonymous()));
    }

    #[test]
    fn a_refusal_speaks_the_words_of_an_api_server() {
        let list = Asked::Resource {
            verb: "list",
            resource: "apiexports",
            subresource: "",
            group: "apis.kcp.io",
            namespace: "",
            name: "",
        };
        assert_eq!(
            forbidden_message(&Identity::anonymous(), &list),
            "apiexports.apis.kcp.io is forbidden: User \"system:anonymous\" cannot list resource \
             \"apiexports\" in API group \"apis.kcp.io\" at the cluster scope"
        );
        let get = Asked::Resource {
            verb: "get",
            resource: "configmaps",
            subresource: "status",
            group: "",
            namespace: "default",
            name: "a",
        };
        assert_eq!(
            forbidden_message(&member_of(&[]), &get),
            "configmaps \"a\" is forbidden: User \"someone\" cannot get resource \
             \"configmaps/status\" in API group \"\" in the namespace \"default\""
        );
        let path = Asked::Path { verb: "get", path: "/metrics" };
        assert_eq!(
            forbidden_message(&Identity::new("a\"<b>\n".to_owned(), vec![]), &path),
            "forbidden: User \"a\\\"&lt;b&gt;\\n\" cannot get path \"/metrics\""
        );
    }
}
