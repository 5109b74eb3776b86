//! Fields that the operator accepts and then does something else with.
//!
//! Each is a fact of the operator, not of Kubernetes: where it is mended there, the
//! rule goes. What `kcpctl render` makes right is marked as a trouble of the operator alone.

use super::World;
use crate::api::KcpVersion;
use crate::api::{AuthSpec, CommonShardSpec};
use crate::installation::finding::{Code, Finding, Subject};

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    for root in &world.roots {
        shard(&Subject::typed(*root), &root.spec.common, findings);
    }
    for it in &world.shards {
        shard(&Subject::typed(*it), &it.spec.common, findings);
    }
    for proxy in &world.proxies {
        let subject = Subject::typed(*proxy);
        if let Some(own) = &proxy.spec.auth {
            auth(&subject, own, findings);
            several_groups(&subject, own, findings);
        }
        if proxy.spec.external.is_none() && proxy.spec.external_hostname.is_some() {
            let message = "the operator's CRD refuses this deprecated field without `external`";
            let hint = "set `spec.external` instead";
            let finding = ineffective(&subject, "spec.externalHostname", message, hint);
            findings.push(finding.warn().operator_only());
        }
    }
    for server in &world.workspaces {
        if server.spec.ca_bundle_secret_ref.is_some() {
            let subject = Subject::typed(*server);
            let message = "the operator never reads this";
            let hint = "remove the field";
            findings.push(ineffective(&subject, "spec.caBundleSecretRef", message, hint).warn());
        }
    }
    for cache in &world.caches {
        let tag = cache.spec.image.as_ref().and_then(|it| it.tag.as_deref()).unwrap_or_default();
        if tag.contains('-') && KcpVersion::of_tag(tag).is_some() {
            let finding = Finding::error(
                Code::Version,
                Subject::typed(*cache),
                "spec.image.tag",
                format!(
                    "the operator takes `{tag}` for a version before {}, and starts the cache \
                     server without the client CA that it asks for",
                    KcpVersion::OLDEST
                ),
                "use a tag without `-`",
            );
            findings.push(finding.warn().operator_only());
        }
    }
}

fn ineffective(subject: &Subject, path: &str, message: &str, hint: &str) -> Finding {
    Finding::error(Code::Ineffective, subject, path, message, hint)
}

fn shard(subject: &Subject, common: &CommonShardSpec, findings: &mut Vec<Finding>) {
    let webhook = common.audit.as_ref().and_then(|it| it.webhook.as_ref());
    if webhook.is_some_and(|it| it.truncate_max_event_size.is_some_and(|it| it != 0)) {
        let finding = ineffective(
            subject,
            "spec.audit.webhook.truncateMaxEventSize",
            "the operator passes this as a flag that kcp does not know, and kcp does not start",
            "remove it, and set `--audit-webhook-truncate-max-event-size` with `spec.extraArgs`",
        );
        findings.push(finding.operator_only());
    }
    let Some(own) = &common.auth else { return };
    auth(subject, own, findings);
    for (field, groups) in [("dropGroups", &own.drop_groups), ("passOnGroups", &own.pass_on_groups)]
    {
        if !groups.is_empty() {
            let path = format!("spec.auth.{field}");
            let message = "shards neither drop nor pass on groups: only front-proxies do";
            let hint = "set it on the FrontProxy";
            findings.push(ineffective(subject, &path, message, hint).warn());
        }
    }
}

fn auth(subject: &Subject, auth: &AuthSpec, findings: &mut Vec<Finding>) {
    let Some(oidc) = &auth.oidc else { return };
    if oidc.ca_file_ref.as_ref().is_some_and(|it| it.key.as_deref().unwrap_or_default().is_empty())
    {
        let finding = ineffective(
            subject,
            "spec.auth.oidc.caFileRef.key",
            "without a key the operator names a folder where kcp needs a file",
            "name the key, such as `ca.crt`",
        );
        findings.push(finding.operator_only());
    }
    if oidc.client_secret.is_some() {
        let path = "spec.auth.oidc.clientSecret";
        let finding =
            ineffective(subject, path, "the operator never reads this", "remove the field");
        findings.push(finding.warn());
    }
}

/// The operator quotes the list, and kcp reads the quoted list as one group.
fn several_groups(subject: &Subject, auth: &AuthSpec, findings: &mut Vec<Finding>) {
    for (field, flag, groups) in [
        ("dropGroups", "drop-groups", &auth.drop_groups),
        ("passOnGroups", "pass-on-groups", &auth.pass_on_groups),
    ] {
        if groups.len() > 1 {
            let finding = ineffective(
                subject,
                &format!("spec.auth.{field}"),
                "the operator hands several groups to kcp as one group with commas in its name, \
                 so none of them is matched",
                &format!(
                    "name one group, and the others with `--authentication-{flag}` in \
                          `spec.extraArgs`"
                ),
            );
            findings.push(finding.operator_only());
        }
    }
}
