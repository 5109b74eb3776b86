//! Asking the cluster for what the rules of `installation::live` judge.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use serde_json::Value;

use super::Findings;
use super::report::Area;
use crate::api::{self, Kind};
use crate::cli::installations::Around;
use crate::cli::manifests::Wanted;
use crate::client::cluster::{ClusterClient, Review};
use crate::error::CliError;
use crate::installation::live::{
    dropped_fields, ending_certificates, foreign_owner, issuer_reference, judge_definition,
    judge_issuer, judge_secret, secret_references, subject, text,
};
use crate::installation::{Code, Finding, Subject};

/// The group of cert-manager, in the version that operators use.
pub(super) const CERT_MANAGER: &str = "cert-manager.io/v1";

/// What applying these objects would stumble over.
pub(in crate::cli) async fn before_apply(
    client: &ClusterClient,
    wanted: &[Wanted],
    prune: bool,
) -> Result<Findings, CliError> {
    let mut findings = undefined(client, wanted).await?;
    let trees: Vec<Value> = wanted.iter().map(|it| it.tree.clone()).collect();
    let ours: Vec<&Wanted> =
        wanted.iter().filter(|it| text(&it.tree, "/apiVersion") == api::API_VERSION).collect();
    if !ours.is_empty() {
        findings.extend(no_cert_manager(client).await?);
    }
    let issuers = issuers(client, &trees, &trees).await?;
    findings.extend(issuers.into_findings());
    // A Secret may come later, from whoever makes them: the operator waits for it.
    let secrets = secrets(client, &trees, &trees, Timestamp::now()).await?;
    findings.extend(secrets.into_findings().into_iter().map(Finding::warn));
    for wanted in wanted {
        let Some(of) = &wanted.resource else { continue };
        match client.get(of, wanted.namespace(), wanted.name()).await {
            Ok(live) => findings.extend(live.as_ref().and_then(foreign_owner)),
            Err(error) if error.is_forbidden() => {}
            Err(error) => return Err(error.into()),
        }
    }
    findings.extend(not_permitted(client, wanted, prune).await?);
    Ok(findings)
}

/// Kinds that the cluster does not have, and fields that its definitions do not have.
async fn undefined(client: &ClusterClient, wanted: &[Wanted]) -> Result<Findings, CliError> {
    let defines = |it: &Wanted| {
        wanted.iter().any(|crd| {
            crd.kind() == "CustomResourceDefinition"
                && text(&crd.tree, "/spec/names/kind") == it.kind()
                && text(&it.tree, "/apiVersion").starts_with(text(&crd.tree, "/spec/group"))
        })
    };
    let mut findings = Findings::new();
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for it in wanted {
        let api_version = text(&it.tree, "/apiVersion");
        if it.resource.is_none() {
            let kind = (api_version.to_owned(), it.kind().to_owned());
            if defines(it) || !told.insert(kind) {
                continue;
            }
            let message = format!("the cluster does not know {} of {api_version}", it.kind());
            let (code, hint) = match api_version.split_once('/').map_or("", |it| it.0) {
                api::GROUP => {
                    (Code::NotDefined, "install the definitions with `kcpctl crds --apply`")
                }
                "cert-manager.io" => {
                    (Code::NoCertManager, "install cert-manager: https://cert-manager.io/docs")
                }
                _ => (Code::NotDefined, "install what defines it, or leave the object out"),
            };
            findings.push(Finding::error(code, subject(&it.tree), "kind", message, hint));
        } else if api_version == api::API_VERSION
            && let Some(kind) = Kind::from_name(it.kind())
            && let Ok(Some(crd)) = definition(client, kind).await
        {
            findings.extend(dropped_fields(&it.tree, &crd));
        }
    }
    Ok(findings)
}

/// Leaves out what only others would get wrong, where they have no part.
pub(in crate::cli) async fn spare_others(
    client: &ClusterClient,
    mut findings: Findings,
) -> Result<Findings, CliError> {
    if findings.iter().any(|it| it.operator_only) && client.is_control_plane().await? {
        findings.retain(|it| !it.operator_only);
    }
    Ok(findings)
}

/// The definition of a kind in the cluster; an error if we may not look.
async fn definition(client: &ClusterClient, kind: Kind) -> Result<Option<Value>, CliError> {
    let of = client.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition").await?;
    let crd = api::crd(kind);
    Ok(client.get(&of, "", text(&crd, "/metadata/name")).await?)
}

/// Every definition.
pub(super) async fn definitions(client: &ClusterClient) -> Result<Area, CliError> {
    let of = client.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition").await?;
    let mut findings = Findings::new();
    for kind in Kind::ALL {
        let name = api::crd(kind);
        match client.get(&of, "", text(&name, "/metadata/name")).await {
            Ok(crd) => findings.extend(judge_definition(kind, crd.as_ref())),
            Err(error) if error.is_forbidden() => {
                // Discovery at least says whether the kind is there.
                if client.find(api::API_VERSION, kind.as_str()).await?.is_none() {
                    findings.extend(judge_definition(kind, None));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Area::of("definitions", findings))
}

/// Whether the API of cert-manager is there.
pub(super) async fn cert_manager(client: &ClusterClient) -> Result<Area, CliError> {
    let findings: Findings = no_cert_manager(client).await?.into_iter().collect();
    Ok(Area::of("cert-manager", findings))
}

async fn no_cert_manager(client: &ClusterClient) -> Result<Option<Finding>, CliError> {
    let types = client.types(CERT_MANAGER).await?;
    if ["Issuer", "Certificate"].iter().all(|kind| types.iter().any(|it| it.kind == *kind)) {
        return Ok(None);
    }
    let subject = Subject { kind: "Cluster".to_owned(), namespace: None, name: String::new() };
    let message =
        format!("the cluster does not have {CERT_MANAGER}: no certificate would be issued");
    let hint = "install cert-manager: https://cert-manager.io/docs";
    Ok(Some(Finding::error(Code::NoCertManager, subject, "", message, hint)))
}

/// The API server itself.
pub(super) async fn server(client: &ClusterClient) -> Result<Area, CliError> {
    let version = client.version().await?;
    Ok(Area::of("API server", Findings::new()).note(format!("{version} at {}", client.server())))
}

/// The issuers that objects need, unless they are among `beside`.
pub(super) async fn issuers(
    client: &ClusterClient,
    objects: &[Value],
    beside: &[Value],
) -> Result<Area, CliError> {
    let mut findings = Findings::new();
    let mut area = Area::of("issuers", Findings::new());
    for reference in objects.iter().filter_map(issuer_reference) {
        let is_it = |it: &&Value| {
            text(it, "/kind") == reference.kind
                && text(it, "/metadata/name") == reference.name
                && (reference.namespace.is_empty()
                    || text(it, "/metadata/namespace") == reference.namespace)
        };
        if beside.iter().any(|it| is_it(&it)) {
            continue;
        }
        // Without cert-manager that is said once, and not of each issuer.
        let Some(of) = client.find(CERT_MANAGER, &reference.kind).await? else { continue };
        match client.get(&of, &reference.namespace, &reference.name).await {
            Ok(issuer) => findings.extend(judge_issuer(&reference, issuer.as_ref())),
            Err(error) if error.is_forbidden() => {
                area =
                    area.skip(format!("{} {}: you may not look", reference.kind, reference.name));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(area.with(findings))
}

/// The Secrets that objects need, unless they are among `beside`.
pub(super) async fn secrets(
    client: &ClusterClient,
    objects: &[Value],
    beside: &[Value],
    now: Timestamp,
) -> Result<Area, CliError> {
    let of = client.resource("v1", "Secret").await?;
    let mut findings = Findings::new();
    let mut area = Area::of("Secrets", Findings::new());
    for reference in objects.iter().flat_map(secret_references) {
        let is_it = |it: &&Value| {
            text(it, "/kind") == "Secret"
                && text(it, "/metadata/name") == reference.name
                && text(it, "/metadata/namespace") == reference.namespace
        };
        // A Certificate among them will make its Secret.
        let is_made = beside.iter().any(|it| {
            text(it, "/kind") == "Certificate" && text(it, "/spec/secretName") == reference.name
        });
        if let Some(secret) = beside.iter().find(is_it) {
            findings.extend(judge_secret(&reference, Some(secret), now));
            continue;
        }
        if is_made {
            continue;
        }
        match client.get(&of, &reference.namespace, &reference.name).await {
            Ok(secret) => findings.extend(judge_secret(&reference, secret.as_ref(), now)),
            Err(error) if error.is_forbidden() => {
                area = area.skip(format!("{}: you may not look", reference.name));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(area.with(findings))
}

/// The Certificates of a namespace.
pub(super) fn certificates(around: &Around, now: Timestamp) -> Area {
    let area = Area::of("certificates", ending_certificates(&around.certificates, now));
    if around.sees_certificates { area } else { area.skip("there are none to be seen") }
}

/// What of applying objects of each kind the user may not do in a namespace.
pub(super) async fn permissions(client: &ClusterClient, namespace: &str) -> Result<Area, CliError> {
    let types = client.types(api::API_VERSION).await?;
    let ours = types.iter().filter(|it| Kind::from_name(&it.kind).is_some());
    let reviews = ours.flat_map(|of| {
        ["get", "create", "patch"].map(|verb| Review {
            verb,
            group: of.group().to_owned(),
            resource: of.plural.clone(),
            namespace: namespace.to_owned(),
        })
    });
    let findings = all_denied(client, reviews.collect()).await?;
    Ok(Area::of("permissions", findings).note(format!("in namespace {namespace}")))
}

async fn not_permitted(
    client: &ClusterClient,
    wanted: &[Wanted],
    prune: bool,
) -> Result<Findings, CliError> {
    let mut reviews: BTreeSet<Review> = BTreeSet::new();
    for it in wanted {
        let Some(of) = &it.resource else { continue };
        let verbs: &[&'static str] = if prune {
            &["get", "create", "patch", "list", "delete"]
        } else {
            &["get", "create", "patch"]
        };
        for verb in verbs {
            reviews.insert(Review {
                verb,
                group: of.group().to_owned(),
                resource: of.plural.clone(),
                namespace: it.namespace().to_owned(),
            });
        }
    }
    all_denied(client, reviews).await
}

/// How many questions are under way at a time.
const QUESTIONS: usize = 8;

async fn all_denied(
    client: &ClusterClient,
    reviews: BTreeSet<Review>,
) -> Result<Findings, CliError> {
    let asked = stream::iter(reviews).map(|it| denied(client, it)).buffered(QUESTIONS);
    let answers: Vec<Option<Finding>> = asked.try_collect().await?;
    Ok(answers.into_iter().flatten().collect())
}

async fn denied(client: &ClusterClient, review: Review) -> Result<Option<Finding>, CliError> {
    let allowed = match client.may(&review).await {
        Ok(allowed) => allowed,
        // Who cannot even ask is told by what is refused.
        Err(error) if error.refusal().is_some_and(|it| [403, 404, 405].contains(&it.code)) => true,
        Err(error) => return Err(error.into()),
    };
    if allowed {
        return Ok(None);
    }
    let Review { verb, group, resource, namespace } = review;
    let place = if namespace.is_empty() { String::new() } else { format!(" in `{namespace}`") };
    let dot = if group.is_empty() { "" } else { "." };
    let subject = Subject {
        kind: "Permission".to_owned(),
        namespace: None,
        name: format!("{resource}{dot}{group}"),
    };
    let message = format!("you may not {verb} {resource}{dot}{group}{place}");
    let hint = "have a Role bound to you that lets you, or use another context with `--context`";
    Ok(Some(Finding::error(Code::NotPermitted, subject, "", message, hint)))
}
