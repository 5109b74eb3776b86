//! Findings with their places, in the order of the files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;

use super::sources::Sources;
use crate::api::{Document, Places, Reading};
use crate::error::CliError;
use crate::installation::{At, Finding, Severity, Subject};
use crate::term::{self, Output};

/// A finding and where it stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Report {
    code: String,
    pub(super) severity: Severity,
    file: String,
    line: usize,
    column: usize,
    #[serde(serialize_with = "object")]
    object: Subject,
    path: String,
    message: String,
    hint: String,
}

fn object<S: serde::Serializer>(subject: &Subject, out: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Object<'a> {
        kind: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        name: &'a str,
    }
    let Subject { kind, namespace, name } = subject;
    Object { kind, namespace: namespace.as_deref(), name }.serialize(out)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Looks up where each finding stands, and sorts them by that.
pub(in crate::cli) fn locate(
    findings: Vec<Finding>,
    reading: &Reading,
    sources: &Sources,
) -> Vec<Report> {
    let mut objects: BTreeMap<Subject, At> = BTreeMap::new();
    for Document { source, item, object, .. } in &reading.documents {
        let at = At::Object { source: source.clone(), item: *item };
        objects.entry(Subject::of(object)).or_insert(at);
    }
    let mut places: HashMap<(Arc<str>, usize), Places> = HashMap::new();
    let mut reports: Vec<(usize, Report)> = Vec::new();
    for finding in findings {
        let Finding { code, severity, subject, path, message, hint, at, operator_only: _ } =
            finding;
        let at = at.or_else(|| objects.get(&subject).cloned());
        let (file, line, column) = match at {
            Some(At::Place(place)) => (place.file.to_string(), place.line, place.column),
            Some(At::Object { source, item }) => {
                let text = sources.find(&source.file).map_or("", |it| it.1);
                let document = (Arc::clone(&source.file), source.line);
                let places = places.entry(document).or_insert_with(|| Places::of(text, &source));
                let inside = item.map(|index| format!("items[{index}].")).unwrap_or_default();
                let found = places.find(&format!("{inside}{path}"));
                let (line, column) = found.unwrap_or((source.line, source.column));
                (source.file.to_string(), line, column)
            }
            None => (String::new(), 0, 0),
        };
        let order = sources.find(&file).map_or(usize::MAX, |it| it.0);
        let code = code.to_string();
        reports.push((
            order,
            Report { code, severity, file, line, column, object: subject, path, message, hint },
        ));
    }
    reports.sort_by(|(order, a), (other, b)| {
        let key = |order: usize, it: &Report| (order, it.line, it.column, it.code.clone());
        key(*order, a).cmp(&key(*other, b))
    });
    reports.into_iter().map(|it| it.1).collect()
}

impl Report {
    /// A line for the finding, as compilers write them, and one for its hint.
    pub(in crate::cli) fn lines(&self) -> [String; 2] {
        let Self { code, severity, file, line, column, object, path, message, hint } = self;
        let path = if path.is_empty() { String::new() } else { format!(" {path}") };
        let severity = word(*severity);
        // An object that stands in no file has no place.
        let place = if *line == 0 { String::new() } else { format!("{file}:{line}:{column}: ") };
        let finding = format!("{place}{severity} {code} {object}{path}: {message}");
        [finding, format!("  hint: {hint}")].map(|it| term::clean(&it))
    }
}

/// Shows every finding.
pub(super) fn print(reports: &[Report], out: &mut Output) -> Result<(), CliError> {
    for line in reports.iter().flat_map(Report::lines) {
        out.line(&line)?;
    }
    Ok(())
}

/// How many errors and warnings there are, in words.
pub(super) fn summary(reports: &[Report], objects: usize) -> String {
    let errors = errors(reports);
    let warnings = reports.len() - errors;
    let found = match (errors, warnings) {
        (0, 0) => "nothing is wrong".to_owned(),
        (0, _) => term::count(warnings, "warning"),
        (_, 0) => term::count(errors, "error"),
        _ => format!("{} and {}", term::count(errors, "error"), term::count(warnings, "warning")),
    };
    format!("{found} in {}", term::count(objects, "object"))
}

/// How many findings are errors.
pub(super) fn errors(reports: &[Report]) -> usize {
    reports.iter().filter(|it| it.severity == Severity::Error).count()
}

/// All findings as one object.
pub(super) fn print_json(
    reports: &[Report],
    objects: usize,
    out: &mut Output,
) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct All<'a> {
        objects: usize,
        findings: &'a [Report],
    }
    Ok(term::write_json(&All { objects, findings: reports }, out)?)
}
