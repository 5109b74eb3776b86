//! How findings are printed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fix::Removed;
use crate::cli::args::OutputFormat;
use crate::cli::cache::stored::Stored;
use crate::error::CliError;
use crate::fsck::{Code, Finding, Report};
use crate::model::Revision;
use crate::term::{self, Output, Table};

/// The findings of one run, on their way to stdout.
pub(super) struct Shown {
    out: Output,
    format: OutputFormat,
    source: String,
    revision: Revision,
}

impl Shown {
    pub(super) fn new(store: &Stored, revision: Revision, format: OutputFormat) -> Self {
        Self { out: Output::stdout(), format, source: store.name.replace('`', ""), revision }
    }

    /// Prints the findings, unless they are told in one document at the end.
    pub(super) fn findings(&mut self, report: &Report) -> Result<(), CliError> {
        let findings = &report.findings;
        match self.format {
            OutputFormat::Json | OutputFormat::Yaml => return Ok(()),
            OutputFormat::Name => {
                for finding in findings {
                    self.out.line(&term::clean(&key_text(finding)))?;
                }
            }
            OutputFormat::Table | OutputFormat::Wide if findings.is_empty() => {}
            OutputFormat::Table | OutputFormat::Wide => {
                let wide = self.format == OutputFormat::Wide;
                let revision = wide.then_some("revision");
                let headings = ["code", "fixable"].into_iter().chain(revision);
                let mut table = Table::new(headings.chain(["key", "why"]));
                for finding in findings {
                    let revision = wide.then(|| finding.revision.to_string());
                    let fixable = if finding.removable { "yes" } else { "no" };
                    let before = [finding.code.to_string(), fixable.to_owned()].into_iter();
                    let after = [key_text(finding), finding.detail.clone()];
                    table.row(before.chain(revision).chain(after));
                }
                table.print(&mut self.out)?;
            }
        }
        // It is read before the question that may follow.
        Ok(self.out.finish()?)
    }

    /// Prints what is told at the end.
    pub(super) fn end(&mut self, report: &Report, removed: &Removed) -> Result<(), CliError> {
        match self.format {
            OutputFormat::Json => term::write_json(&self.document(report, removed), &mut self.out)?,
            OutputFormat::Yaml => {
                let document = self.document(report, removed);
                term::write_yaml(&document, 0, false, &mut self.out)?;
            }
            _ => {}
        }
        Ok(self.out.finish()?)
    }

    fn document(&self, report: &Report, removed: &Removed) -> Value {
        let findings: Vec<Value> = report
            .findings
            .iter()
            .map(|finding| {
                json!({
                    "code": finding.code.as_str(),
                    "key": key_text(finding),
                    "resourceVersion": finding.revision.to_string(),
                    "message": finding.detail,
                    "fixable": finding.removable,
                    "fixed": removed.has(&finding.key),
                })
            })
            .collect();
        let young: Vec<Value> = report
            .young
            .iter()
            .map(|it| json!({"shard": it.shard, "objects": it.objects, "changedSecondsAgo": it.age.as_secs()}))
            .collect();
        let mut document = json!({
            "source": self.source,
            "resourceVersion": self.revision.to_string(),
            "keys": report.pairs,
            "counts": counts(report),
            "findings": findings,
            "undecidedShards": young,
        });
        if let Some(backup) = &removed.backup {
            document["backup"] = Value::String(backup.display().to_string());
        }
        document
    }
}

/// How many findings there are of each code.
fn counts(report: &Report) -> BTreeMap<&'static str, usize> {
    let mut counts: BTreeMap<_, _> = Code::ALL.iter().map(|code| (code.as_str(), 0)).collect();
    for finding in &report.findings {
        *counts.entry(finding.code.as_str()).or_default() += 1;
    }
    counts
}

/// A stored key as text. What is none is shown as far as it is.
pub(super) fn key_text(finding: &Finding) -> String {
    String::from_utf8_lossy(&finding.key).into_owned()
}

/// Says what was looked at, and what could not be told.
pub(super) fn remarks(store: &Stored, report: &Report) {
    let (keys, name) = (term::count(report.pairs, "key"), &store.name);
    let findings = match report.findings.len() {
        0 => "nothing is wrong".to_owned(),
        count => term::count(count, "finding"),
    };
    term::say(&format!("{keys} of {name}: {findings}"));
    for young in &report.young {
        let objects = term::count(young.objects, "object");
        let (shard, age) = (&young.shard, term::age(young.age));
        term::say(&format!(
            "too early to tell: no Shard object is called `{shard}`, which has {objects}, but \
             something of it changed {age} ago"
        ));
    }
    if report.unjudged {
        term::say("whether shards are gone cannot be told: there is no Shard object at all");
    }
}
