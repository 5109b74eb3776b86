//! Flags and files that several servers share: etcd, logging, audit, authorization, users.
//!
//! The order is the operator's, except that the object's own `extraArgs` come last of all
//! (the caller adds them), so that they override what is generated.

use super::names::TLS;
use super::pod::Parts;
use crate::api::{
    AuditSpec, AuditWebhook, AuditWebhookMode, AuthSpec, AuthorizationWebhook, Duration,
    EtcdConfig, LoggingSpec, OidcConfig, TokenAuthFile, WebhookAuth, WebhookVersion,
};

/// What an OIDC provider's CA is called in its Secret unless it says otherwise.
const OIDC_CA_KEY: &str = "ca.crt";
/// What a file of tokens is called in its Secret unless it says otherwise.
const TOKENS_KEY: &str = "token.csv";

/// A text that says something.
fn filled(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|it| !it.is_empty())
}

/// A number that says something.
fn counted(number: Option<i64>) -> Option<i64> {
    number.filter(|it| *it != 0)
}

/// A span of time, as Go prints it.
fn span(span: Option<&Duration>) -> Option<String> {
    span.map(Duration::canonical)
}

/// How much is logged.
pub(super) fn logging(parts: &mut Parts, logging: Option<&LoggingSpec>) {
    parts.flag("-v", logging.and_then(|it| it.level).filter(|it| *it != 0));
}

/// Who asserts users before a server: the names of proxies' certificates.
pub(super) fn request_headers(parts: &mut Parts, ca: &str, allowed: [&str; 2]) {
    parts.arg(format!("--requestheader-client-ca-file={ca}/tls.crt"));
    parts.arg(format!("--requestheader-allowed-names={}", allowed.join(",")));
    parts.arg("--requestheader-username-headers=X-Remote-User");
    parts.arg("--requestheader-group-headers=X-Remote-Group");
    parts.arg("--requestheader-extra-headers-prefix=X-Remote-Extra-");
}

/// The etcd of a shard.
pub(super) fn etcd(parts: &mut Parts, etcd: &EtcdConfig) {
    const PATH: &str = "/etc/etcd/tls";
    parts.arg(format!("--etcd-servers={}", etcd.endpoints.join(",")));
    parts.flag("--etcd-prefix", filled(etcd.prefix.as_ref()));
    if let Some(tls) = &etcd.tls_config {
        parts.secret("etcd-client-cert", &tls.secret_ref.name, PATH);
        parts.arg(format!("--etcd-certfile={PATH}/tls.crt"));
        parts.arg(format!("--etcd-keyfile={PATH}/tls.key"));
        parts.arg(format!("--etcd-cafile={PATH}/ca.crt"));
    }
}

/// What is written to an audit log.
pub(super) fn audit(parts: &mut Parts, audit: &AuditSpec) {
    const PATH: &str = "/etc/kcp/audit/policy";
    if let Some(map) = audit.policy.as_ref().and_then(|it| it.config_map.as_ref()) {
        parts.config_map("audit-policy", &map.name, PATH);
        parts.arg(format!("--audit-policy-file={PATH}/{}", map.key));
    }
    if let Some(webhook) = &audit.webhook {
        audit_webhook(parts, webhook);
    }
}

fn audit_webhook(parts: &mut Parts, webhook: &AuditWebhook) {
    const PATH: &str = "/etc/kcp/audit/webhook";
    let AuditWebhook {
        batch_buffer_size,
        batch_max_size,
        batch_max_wait,
        batch_throttle_burst,
        batch_throttle_enable,
        batch_throttle_qps,
        config_secret_name,
        initial_backoff,
        mode,
        truncate_enabled,
        truncate_max_batch_size,
        truncate_max_event_size,
        version,
    } = webhook;
    parts.flag("--audit-webhook-batch-buffer-size", counted(*batch_buffer_size));
    parts.flag("--audit-webhook-batch-max-size", counted(*batch_max_size));
    parts.flag("--audit-webhook-batch-max-wait", span(batch_max_wait.as_ref()));
    parts.flag("--audit-webhook-batch-throttle-burst", counted(*batch_throttle_burst));
    parts.switch("--audit-webhook-batch-throttle-enable", *batch_throttle_enable);
    parts.flag("--audit-webhook-batch-throttle-qps", filled(batch_throttle_qps.as_ref()));
    parts.flag("--audit-webhook-initial-backoff", span(initial_backoff.as_ref()));
    parts.flag("--audit-webhook-mode", mode.and_then(AuditWebhookMode::as_flag));
    parts.switch("--audit-webhook-truncate-enabled", *truncate_enabled);
    parts.flag("--audit-webhook-truncate-max-batch-size", counted(*truncate_max_batch_size));
    parts.flag("--audit-webhook-truncate-max-event-size", counted(*truncate_max_event_size));
    parts.flag("--audit-webhook-version", filled(version.as_ref()));
    if let Some(secret) = filled(config_secret_name.as_ref()) {
        parts.arg(format!("--audit-webhook-config-file={PATH}/kubeconfig"));
        parts.secret("audit-webhook-config", secret, PATH);
    }
}

/// Who else is asked what a user may do.
pub(super) fn authorization(parts: &mut Parts, webhook: &AuthorizationWebhook) {
    const PATH: &str = "/etc/kcp/authorization/webhook";
    let AuthorizationWebhook {
        allow_paths,
        cache_authorized_ttl,
        cache_unauthorized_ttl,
        config_secret_name,
        version,
    } = webhook;
    if !allow_paths.is_empty() {
        parts.arg(format!("--authorization-always-allow-paths={}", allow_paths.join(",")));
    }
    let ttl = span(cache_authorized_ttl.as_ref());
    parts.flag("--authorization-webhook-cache-authorized-ttl", ttl);
    let ttl = span(cache_unauthorized_ttl.as_ref());
    parts.flag("--authorization-webhook-cache-unauthorized-ttl", ttl);
    parts.flag("--authorization-webhook-version", filled(version.as_ref()));
    if let Some(secret) = filled(config_secret_name.as_ref()) {
        parts.arg(format!("--authorization-webhook-config-file={PATH}/kubeconfig"));
        parts.secret("authorization-webhook-config", secret, PATH);
    }
}

/// How users prove who they are. The tokens of service accounts are signed by any shard of
/// the installation, so each key is needed.
pub(super) fn auth(parts: &mut Parts, auth: &AuthSpec, root: &str, shards: &[String]) {
    if let Some(oidc) = &auth.oidc {
        self::oidc(parts, oidc);
    }
    if let Some(webhook) = &auth.webhook {
        token_webhook(parts, webhook);
    }
    if let Some(file) = &auth.token_auth_file {
        token_file(parts, file);
    }
    if auth.service_account.as_ref().is_some_and(|it| it.enabled) {
        service_accounts(parts, root, shards);
    }
}

fn oidc(parts: &mut Parts, oidc: &OidcConfig) {
    const PATH: &str = "/etc/kcp/tls/oidc";
    for (flag, value) in [
        ("--oidc-issuer-url", Some(&oidc.issuer_url)),
        ("--oidc-client-id", Some(&oidc.client_id)),
        ("--oidc-groups-claim", oidc.groups_claim.as_ref()),
        ("--oidc-username-claim", oidc.username_claim.as_ref()),
        ("--oidc-username-prefix", oidc.username_prefix.as_ref()),
        ("--oidc-groups-prefix", oidc.groups_prefix.as_ref()),
    ] {
        parts.flag(flag, filled(value));
    }
    if let Some(ca) = &oidc.ca_file_ref {
        let key = filled(ca.key.as_ref()).unwrap_or(OIDC_CA_KEY);
        parts.arg(format!("--oidc-ca-file={PATH}/{key}"));
        parts.secret("oidc-ca-file", &ca.name, PATH);
    }
}

fn token_webhook(parts: &mut Parts, webhook: &WebhookAuth) {
    const PATH: &str = "/etc/kcp/authentication/webhook";
    let ttl = span(webhook.cache_authentication_ttl.as_ref());
    parts.flag("--authentication-token-webhook-cache-ttl", ttl);
    let version = webhook.version.map(WebhookVersion::as_str);
    parts.flag("--authentication-token-webhook-version", version);
    if let Some(secret) = filled(Some(&webhook.config_secret_name)) {
        parts.arg(format!("--authentication-token-webhook-config-file={PATH}/kubeconfig"));
        parts.secret("authentication-webhook-config", secret, PATH);
    }
}

fn token_file(parts: &mut Parts, file: &TokenAuthFile) {
    const PATH: &str = "/etc/kcp/authentication/token";
    let key = filled(file.key.as_ref()).unwrap_or(TOKENS_KEY);
    parts.arg(format!("--token-auth-file={PATH}/{key}"));
    parts.secret("token-auth-file", &file.secret_name, PATH);
}

fn service_accounts(parts: &mut Parts, root: &str, shards: &[String]) {
    parts.arg("--service-account-lookup=false");
    for name in std::iter::once(root).chain(shards.iter().map(String::as_str)) {
        let path = format!("{TLS}/{name}/service-account");
        parts.arg(format!("--service-account-key-file={path}/tls.crt"));
        let secret = format!("{name}-service-account");
        parts.secret(&secret, &secret, &path);
    }
}

/// A list for a flag that is read as a line of CSV.
pub(super) fn csv(values: &[String]) -> Option<String> {
    let field = |value: &String| {
        if value.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", value.replace('"', "\"\""))
        } else {
            value.clone()
        }
    };
    (!values.is_empty()).then(|| values.iter().map(field).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_line_of_csv() {
        let line =
            |values: &[&str]| csv(&values.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&[]), None);
        assert_eq!(line(&["a"]).as_deref(), Some("a"));
        assert_eq!(line(&["a", "system:kcp:*"]).as_deref(), Some("a,system:kcp:*"));
        assert_eq!(line(&["a,b", "c\"d"]).as_deref(), Some("\"a,b\",\"c\"\"d\""));
    }
}
