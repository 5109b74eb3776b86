//! What was looked at, and what was found there.

use serde::Serialize;

use crate::error::CliError;
use crate::installation::{Finding, Severity};
use crate::term::{self, Output};

/// One thing that was looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Area {
    name: String,
    findings: Vec<Finding>,
    /// What was learnt, or what could not be looked at and why.
    notes: Vec<String>,
    skipped: bool,
}

impl Area {
    pub(super) fn of(name: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self { name: name.into(), findings, ..Self::default() }
    }

    /// The same with something to say that is no finding.
    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The same, of which something could not be looked at.
    pub(super) fn skip(mut self, note: impl Into<String>) -> Self {
        self.skipped = true;
        self.note(note)
    }

    /// The same with these findings.
    pub(super) fn with(mut self, findings: Vec<Finding>) -> Self {
        self.findings.extend(findings);
        self
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn status(&self) -> &'static str {
        let has = |severity| self.findings.iter().any(|it| it.severity == severity);
        if has(Severity::Error) {
            "error"
        } else if has(Severity::Warning) {
            "warning"
        } else if self.skipped {
            "skipped"
        } else {
            "ok"
        }
    }
}

/// Everything that was looked at.
#[derive(Debug, Default)]
pub(super) struct Checked {
    areas: Vec<Area>,
}

impl Checked {
    pub(super) fn area(&mut self, area: Area) {
        self.areas.push(area);
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.areas.iter().flat_map(|it| &it.findings)
    }
}

/// A line for each area, and below it its findings with their hints.
pub(super) fn print(checked: &Checked, out: &mut Output) -> Result<(), CliError> {
    for area in &checked.areas {
        let notes =
            if area.notes.is_empty() { String::new() } else { format!("  {}", area.notes[0]) };
        out.line(&term::clean(&format!("{:<8} {}{notes}", area.status(), area.name)))?;
        for note in area.notes.iter().skip(1) {
            out.line(&term::clean(&format!("         {note}")))?;
        }
        for finding in &area.findings {
            let Finding { code, severity, subject, path, message, hint, .. } = finding;
            let word = match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let place = subject.namespace.as_deref().map(|it| format!("{it} ")).unwrap_or_default();
            let path = if path.is_empty() { String::new() } else { format!(" {path}") };
            let shown = format!("  {word} {code} {place}{subject}{path}: {message}");
            out.line(&term::clean(&shown))?;
            out.line(&term::clean(&format!("    hint: {hint}")))?;
        }
    }
    Ok(())
}

/// The same as one object.
pub(super) fn print_json(
    checked: &Checked,
    cluster: &str,
    out: &mut Output,
) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct All<'a> {
        cluster: &'a str,
        areas: Vec<AreaOut<'a>>,
        findings: Vec<FindingOut<'a>>,
    }
    #[derive(Serialize)]
    struct AreaOut<'a> {
        name: &'a str,
        status: &'static str,
        notes: &'a [String],
    }
    #[derive(Serialize)]
    struct FindingOut<'a> {
        code: String,
        severity: Severity,
        area: &'a str,
        object: Object<'a>,
        path: &'a str,
        message: &'a str,
        hint: &'a str,
    }
    #[derive(Serialize)]
    struct Object<'a> {
        kind: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        name: &'a str,
    }
    let areas = checked
        .areas
        .iter()
        .map(|it| AreaOut { name: &it.name, status: it.status(), notes: &it.notes })
        .collect();
    let findings = checked
        .areas
        .iter()
        .flat_map(|area| area.findings.iter().map(move |it| (area, it)))
        .map(|(area, it)| FindingOut {
            code: it.code.to_string(),
            severity: it.severity,
            area: &area.name,
            object: Object {
                kind: &it.subject.kind,
                namespace: it.subject.namespace.as_deref(),
                name: &it.subject.name,
            },
            path: &it.path,
            message: &it.message,
            hint: &it.hint,
        })
        .collect();
    Ok(term::write_json(&All { cluster, areas, findings }, out)?)
}
