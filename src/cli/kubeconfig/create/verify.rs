//! Asking the server whom it sees, with exactly the kubeconfig that was written.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::{Certificate as RootCertificate, Client, Identity, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::output::Found;
use super::proof::{self, Proof};
use crate::error::{CliError, Kind};
use crate::kubeconfig::{Cluster, Credential, Kubeconfig, Target, TargetKind, User};
use crate::pki::{Certificate, San};

/// How long the server may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read, in bytes.
const ANSWER_LEN_MAX: usize = 1 << 20;

/// Where `kcpctl cache serve` says whom it sees.
const WHO_AM_I: &str = "/kcpctl/v1alpha1/whoami";

/// Where a Kubernetes-style server says whom it sees.
const SELF_SUBJECT_REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// What a server said about who asks.
#[derive(Debug, Eq, PartialEq)]
enum Seen {
    /// A user with groups.
    User { user: String, groups: Vec<String> },
    /// It named the user while refusing an answer.
    Refused { user: String, status: u16 },
    /// It answered, and did not say.
    Silent { status: u16 },
}

/// Connects and tells the user, on stderr, whom the server sees.
pub(super) fn ask(found: &Found, target: &Target, proof: &Proof) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")
        .map_err(|error| CliError::new(Kind::Internal, error))?;
    let (cluster, user) = entries(found)?;
    let asker = Asker::new(&cluster, &user)?;
    let seen = runtime.block_on(asker.ask(target, !proof.shows_names))?;
    judge(&seen, &cluster.server, &proof.certificate)
}

/// Compares what the server said with the certificate.
fn judge(seen: &Seen, server: &str, certificate: &Certificate) -> Result<(), CliError> {
    let own = certificate.common_name.as_str();
    let stranger = |user: &str| {
        let cause = anyhow!("the server at {server} sees `{user}`, not `{own}`");
        Err(CliError::new(Kind::Refused, cause).hint(
            "the CA that signed is not the server's client CA: compare it with its `--client-ca-file`",
        ))
    };
    match seen {
        Seen::User { user, .. } | Seen::Refused { user, .. } if user != own => stranger(user),
        Seen::User { user, groups } => {
            let lost: Vec<_> =
                certificate.organizations.iter().filter(|it| !groups.contains(it)).collect();
            if let Some(group) = lost.first() {
                let cause = anyhow!("the server at {server} does not see the group `{group}`");
                return Err(CliError::new(Kind::Refused, cause)
                    .hint("a proxy in front of it may drop groups: see its `--authentication-drop-groups`"));
            }
            let groups = if groups.is_empty() { "no groups".to_owned() } else { groups.join(", ") };
            proof::line("verified", &format!("{server} sees `{user}` in {groups}"));
            Ok(())
        }
        Seen::Refused { user, status } => {
            let says =
                format!("{server} sees `{user}`, who may not ask for more (status {status})");
            proof::line("verified", &says);
            Ok(())
        }
        Seen::Silent { status: 401 } => {
            let cause =
                anyhow!("the server at {server} does not accept the certificate (status 401)");
            Err(CliError::new(Kind::Refused, cause)
                .hint("the CA that signed is not the server's client CA"))
        }
        Seen::Silent { status: 404 } if names_workspace(server) => {
            let cause = anyhow!("the server at {server} knows no such workspace (status 404)");
            Err(CliError::new(Kind::Refused, cause)
                .hint("is there a workspace of that path, and does this server lead to it? see `--workspace` and `--server`"))
        }
        Seen::Silent { status } => {
            let says =
                format!("{server} answered with status {status}, and does not say whom it sees");
            proof::line("reached", &says);
            Ok(())
        }
    }
}

/// The server and the user of the context that was written.
fn entries(found: &Found) -> Result<(Cluster, User), CliError> {
    // Other entries of a merged file may be of shapes that are not ours, so only these are read.
    let value: serde_yaml::Value = serde_yaml::from_str(&found.yaml)
        .context("what was written is not YAML")
        .map_err(|error| CliError::new(Kind::Internal, error))?;
    let missing = || CliError::new(Kind::Internal, anyhow!("what was written lacks its entries"));
    let text =
        |it: Option<&serde_yaml::Value>| it.and_then(|it| it.as_str()).map(ToOwned::to_owned);
    let entry = |list: &str, name: &str| {
        let entries = value.get(list)?.as_sequence()?;
        entries.iter().find(|it| it.get("name").and_then(|it| it.as_str()) == Some(name)).cloned()
    };
    let context = found.context.clone().or_else(|| text(value.get("current-context")));
    let context_name = context.ok_or_else(missing)?;
    let context = entry("contexts", &context_name).ok_or_else(missing)?;
    let part = |key: &str| text(context.get("context").and_then(|it| it.get(key)));
    let (cluster, user) = (part("cluster").ok_or_else(missing)?, part("user").ok_or_else(missing)?);
    let only = json!({
        "clusters": [entry("clusters", &cluster).ok_or_else(missing)?],
        "users": [entry("users", &user).ok_or_else(missing)?],
    });
    let kubeconfig = Kubeconfig::from_yaml(&only.to_string())
        .context("what was written cannot be read again")
        .map_err(|error| CliError::new(Kind::Internal, error))?;
    let mut kubeconfig = kubeconfig;
    kubeconfig.clusters.pop().zip(kubeconfig.users.pop()).ok_or_else(missing)
}

/// A client made of the kubeconfig alone.
struct Asker {
    client: Client,
    server: String,
}

impl Asker {
    fn new(cluster: &Cluster, user: &User) -> Result<Self, CliError> {
        let internal = |error: anyhow::Error| CliError::new(Kind::Internal, error);
        let pem = |credential: &Credential| match credential {
            Credential::Inline(pem) => Ok(pem.clone()),
            Credential::File(path) => Err(internal(anyhow!("`{path}` is not inline"))),
        };
        let (cert, key) = (pem(&user.cert)?, pem(&user.key)?);
        let identity = Identity::from_pem(format!("{cert}{key}").as_bytes())
            .context("what was written is no client certificate")
            .map_err(internal)?;
        let roots = RootCertificate::from_pem_bundle(pem(&cluster.ca)?.as_bytes())
            .context("what was written has no CA")
            .map_err(internal)?;
        let mut builder = Client::builder();
        if is_loopback(&cluster.server) {
            builder = builder.no_proxy(); // as Go does
        }
        let client = builder
            .tls_certs_only(roots)
            .identity(identity)
            .tls_info(true)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("kcpctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot connect with what was written")
            .map_err(internal)?;
        Ok(Self { client, server: cluster.server.clone() })
    }

    /// Our own server says it at the root, others by a review. Names that were not known
    /// before are shown, too.
    async fn ask(&self, target: &Target, mut names: bool) -> Result<Seen, CliError> {
        let root = root_of(&self.server);
        let mut seen = Seen::Silent { status: 0 };
        let own = (target.kind == TargetKind::CacheServer).then(|| format!("{root}{WHO_AM_I}"));
        let review = format!("{}{SELF_SUBJECT_REVIEWS}", self.server);
        for (url, is_review) in own.map(|url| (url, false)).into_iter().chain([(review, true)]) {
            let request = if is_review {
                self.client.post(&url).json(&json!({
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "SelfSubjectReview",
                }))
            } else {
                self.client.get(&url)
            };
            let response = request.send().await.map_err(|error| unreachable(&url, &error))?;
            if std::mem::take(&mut names) {
                show_names(&response);
            }
            let status = response.status();
            let body = response.bytes().await.map_err(|error| unreachable(&url, &error))?;
            seen = read(status, &body[..body.len().min(ANSWER_LEN_MAX)]);
            if matches!(seen, Seen::User { .. }) || status == StatusCode::UNAUTHORIZED {
                break;
            }
        }
        Ok(seen)
    }
}

/// Whether the URL leads into a workspace, where every Kubernetes-style server has the
/// review: without a workspace it may also be one that has none.
fn names_workspace(server: &str) -> bool {
    server[root_of(server).len()..].starts_with("/clusters/")
}

/// Whether the URL leads to this machine.
fn is_loopback(server: &str) -> bool {
    let uri: Option<http::Uri> = server.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}

/// The URL without its path.
fn root_of(server: &str) -> &str {
    let host = server.find("://").map_or(0, |at| at + 3);
    server[host..].find('/').map_or(server, |at| &server[..host + at])
}

/// What an answer says about who asked.
fn read(status: StatusCode, body: &[u8]) -> Seen {
    #[derive(Deserialize)]
    struct WhoAmI {
        user: String,
        #[serde(default)]
        groups: Vec<String>,
    }
    let code = status.as_u16();
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Seen::Silent { status: code };
    };
    if status.is_success() {
        if let Ok(WhoAmI { user, groups }) = WhoAmI::deserialize(&body) {
            return Seen::User { user, groups };
        }
        let info = &body["status"]["userInfo"];
        if let Some(user) = info["username"].as_str() {
            let groups = info["groups"].as_array().into_iter().flatten();
            let groups = groups.filter_map(Value::as_str).map(ToOwned::to_owned).collect();
            return Seen::User { user: user.to_owned(), groups };
        }
    }
    // A refusal of a Kubernetes-style server names whom it refuses.
    let message = body["message"].as_str().unwrap_or_default();
    let named = message.split_once("User \"").and_then(|(_, rest)| rest.split_once('"'));
    match named {
        Some((user, _)) if status == StatusCode::FORBIDDEN => {
            Seen::Refused { user: user.to_owned(), status: code }
        }
        _ => Seen::Silent { status: code },
    }
}

/// Tells which names the server's certificate is for; the URL's was among them, or there
/// would be no answer.
fn show_names(response: &reqwest::Response) {
    let info = response.extensions().get::<reqwest::tls::TlsInfo>();
    let certificate = info
        .and_then(reqwest::tls::TlsInfo::peer_certificate)
        .and_then(|der| Certificate::from_der(der).ok());
    if let Some(certificate) = certificate {
        let sans: Vec<_> = certificate.sans.iter().map(San::to_string).collect();
        proof::line("names", &proof::verified(&sans.join(", ")));
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> CliError {
    // The innermost cause is the one that says something: reqwest's own words repeat the URL.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let cause = cause.to_string();
    let hint = if cause.contains("certificate") {
        "the CA or the URL is not the server's: see `--server-ca` and `--server`"
    } else {
        "is the server running, and is the URL its own? see `--server`"
    };
    let cause = anyhow!(cause).context(format!("failed to reach {url} with what was written"));
    CliError::new(Kind::Unreachable, cause).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_server_says_whom_it_sees_in_its_own_way() {
        let user = |name: &str, groups: &[&str]| Seen::User {
            user: name.to_owned(),
            groups: groups.iter().map(|&it| it.to_owned()).collect(),
        };
        for (status, body, seen) in [
            (200, r#"{"user":"ci","groups":["a","b"]}"#, user("ci", &["a", "b"])),
            (
                201,
                r#"{"status":{"userInfo":{"username":"ci","groups":["a"]}}}"#,
                user("ci", &["a"]),
            ),
            (
                403,
                r#"{"message":"x is forbidden: User \"system:anonymous\" cannot create y"}"#,
                Seen::Refused { user: "system:anonymous".to_owned(), status: 403 },
            ),
            (404, "404 page not found", Seen::Silent { status: 404 }),
            (200, "[]", Seen::Silent { status: 200 }),
        ] {
            assert_eq!(
                read(StatusCode::from_u16(status).unwrap(), body.as_bytes()),
                seen,
                "{body}"
            );
        }
    }

    #[test]
    fn the_root_of_a_url_is_what_stands_before_its_path() {
        for (url, root) in [
            ("https://a:1/clusters/root", "https://a:1"),
            ("https://[::1]:6443", "https://[::1]:6443"),
        ] {
            assert_eq!(root_of(url), root);
        }
    }
}
