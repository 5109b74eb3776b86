//! `-f`: manifests as a cluster will get them: read, given their namespaces, and judged.
//!
//! All files are one installation, together with what the cluster has of it: so one new shard
//! can be applied by itself, and still has to fit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::anyhow;
use serde_json::Value;

use super::findings;
use super::sources::{self, Sources};
use crate::api::{self, Document, Reading};
use crate::client::cluster::{ClusterClient, Resource};
use crate::error::{CliError, Kind};
use crate::installation::live::{self, text};
use crate::installation::{self, Finding, Profile, Subject};
use crate::term;

/// Which manifests.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ManifestArgs {
    /// Read a file, the manifests in a folder, or stdin if it is `-`; may be repeated
    #[arg(short, long = "filename", value_name = "FILE|DIR", required = true)]
    pub(crate) filenames: Vec<PathBuf>,

    /// Read the folders within a folder too
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

/// What was read, and where it stood.
pub(super) struct Manifests {
    sources: Sources,
    reading: Reading,
}

/// An object on its way to a cluster.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The object.
    pub(super) tree: Value,
    /// How it is reached; nothing if the cluster does not know its kind yet.
    pub(super) resource: Option<Resource>,
}

impl Wanted {
    pub(super) fn kind(&self) -> &str {
        text(&self.tree, "/kind")
    }

    pub(super) fn name(&self) -> &str {
        text(&self.tree, "/metadata/name")
    }

    pub(super) fn namespace(&self) -> &str {
        text(&self.tree, "/metadata/namespace")
    }

    pub(super) fn called(&self) -> String {
        live::called(&self.tree)
    }
}

impl Manifests {
    /// Reads what was named; an error if any of it cannot be read, or there is nothing.
    pub(super) fn read(args: &ManifestArgs) -> Result<Self, CliError> {
        let ManifestArgs { filenames, recursive } = args;
        let sources = Sources::open(filenames, *recursive);
        let reading = sources.read();
        let this = Self { sources, reading };
        this.sources.complete("nothing was sent: name files that can be read")?;
        let Reading { documents, rejected } = &this.reading;
        sources::not_empty(documents.len() + rejected.len(), filenames)?;
        Ok(this)
    }

    /// The same of texts that are in no file.
    pub(super) fn of_texts(texts: Vec<(String, String)>) -> Self {
        let sources = Sources::of_texts(texts);
        let reading = sources.read();
        Self { sources, reading }
    }

    /// Refuses what is no object: it could not be compared or deleted.
    pub(super) fn all_are_objects(&self) -> Result<(), CliError> {
        if self.reading.rejected.is_empty() {
            return Ok(());
        }
        let broken = Reading { documents: Vec::new(), rejected: self.reading.rejected.clone() };
        match self.tell(installation::validate_all(&broken, Profile::default())) {
            0 => Ok(()),
            // Not the answer no: with that `diff` says that something differs.
            errors => Err(CliError::new(Kind::Config, refusal(errors, "sent"))),
        }
    }

    /// Gives every object the namespace that it goes to, and says how it is reached.
    pub(super) async fn place(
        &mut self,
        client: &ClusterClient,
        namespace: &str,
    ) -> Result<Vec<Wanted>, CliError> {
        let scopes = defined_scopes(&self.reading.documents);
        let mut wanted = Vec::new();
        for document in &mut self.reading.documents {
            let (api_version, kind) = (
                text(&document.tree, "/apiVersion").to_owned(),
                text(&document.tree, "/kind").to_owned(),
            );
            let resource = client.find(&api_version, &kind).await?;
            let group = api_version.split_once('/').map_or("", |it| it.0);
            // What the files define themselves is known before the cluster knows it.
            let namespaced = match &resource {
                Some(resource) => resource.namespaced,
                None => {
                    scopes.get(&(group.to_owned(), kind)).copied().unwrap_or(group == api::GROUP)
                }
            };
            let named = text(&document.tree, "/metadata/namespace");
            if namespaced && named.is_empty() {
                set_namespace(document, namespace);
            }
            wanted.push(Wanted { tree: document.tree.clone(), resource });
        }
        if wanted.iter().any(|it| it.resource.is_none()) && client.is_control_plane().await? {
            // As with a folder that `cache serve --manifests` keeps.
            wanted.retain(|it| {
                let is_served = it.resource.is_some();
                if !is_served {
                    let called = it.called();
                    term::warn(&format!("left out {called}: the control plane has no such kind"));
                }
                is_served
            });
        }
        Ok(wanted)
    }

    /// What is wrong with the manifests, given what is in the cluster beside them; not what was
    /// wrong there before.
    pub(super) fn judge(&self, live: &[Value], profile: Profile) -> Vec<Finding> {
        let own: BTreeSet<Subject> = self.subjects().collect();
        let mut beside = Reading::default();
        for object in live.iter().filter(|it| !own.contains(&live::subject(it))) {
            let Reading { documents, rejected } = api::read_all(&object.to_string(), CLUSTER);
            beside.documents.extend(documents);
            beside.rejected.extend(rejected);
        }
        let before = installation::validate_all(&beside, profile);
        // Of two objects that do not go together the later one is told.
        beside.documents.extend(self.reading.documents.iter().cloned());
        beside.rejected.extend(self.reading.rejected.iter().cloned());
        let known = |it: &Finding| before.iter().any(|other| other.to_string() == it.to_string());
        let findings = installation::validate_all(&beside, profile);
        findings.into_iter().filter(|it| own.contains(&it.subject) || !known(it)).collect()
    }

    /// Who stands in the manifests, also what could not be read.
    fn subjects(&self) -> impl Iterator<Item = Subject> {
        let sound = self.reading.documents.iter().map(|it| Subject::of(&it.object));
        sound.chain(self.reading.rejected.iter().map(|it| live::subject(&it.tree)))
    }

    /// Shows findings on stderr, and refuses if one of them is an error.
    pub(super) fn refuse(&self, found: Vec<Finding>, before: &str) -> Result<(), CliError> {
        match self.tell(found) {
            0 => Ok(()),
            errors => Err(CliError::new(Kind::Findings, refusal(errors, before))),
        }
    }

    /// Shows findings on stderr, and says how many of them are errors.
    fn tell(&self, found: Vec<Finding>) -> usize {
        let reports = findings::locate(found, &self.reading, &self.sources);
        for line in reports.iter().flat_map(findings::Report::lines) {
            term::say(&line);
        }
        findings::errors(&reports)
    }
}

fn refusal(errors: usize, before: &str) -> anyhow::Error {
    anyhow!("{}, so nothing was {before}", term::count(errors, "error"))
}

/// What findings about an object of a cluster name instead of a file.
const CLUSTER: &str = "cluster";

/// The types that documents define themselves: group and kind, and whether they are namespaced.
fn defined_scopes(documents: &[Document]) -> BTreeMap<(String, String), bool> {
    documents
        .iter()
        .filter(|it| text(&it.tree, "/kind") == "CustomResourceDefinition")
        .map(|it| {
            let of = |pointer| text(&it.tree, pointer).to_owned();
            let key = (of("/spec/group"), of("/spec/names/kind"));
            (key, text(&it.tree, "/spec/scope") == "Namespaced")
        })
        .collect()
}

fn set_namespace(document: &mut Document, namespace: &str) {
    if !document.tree["metadata"].is_object() {
        return;
    }
    document.tree["metadata"]["namespace"] = namespace.into();
    let read = api::read_all(&document.tree.to_string(), CLUSTER).documents;
    if let Some(again) = read.into_iter().next() {
        document.object = again.object;
    }
}

/// The namespaces that objects go to.
pub(super) fn namespaces(wanted: &[Wanted]) -> BTreeSet<String> {
    let named = wanted.iter().map(|it| it.namespace().to_owned());
    named.filter(|it| !it.is_empty()).collect()
}
