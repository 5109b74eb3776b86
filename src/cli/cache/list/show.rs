//! How objects are printed: each format, for lists and for watches.

use std::io::Write;

use serde_json::Value;

use super::objects::{Sieve, Wanted};
use crate::cli::args::OutputFormat;
use crate::client::{
    ColumnDefinition, Event, EventKind, Form, FoundType, Meta, Page, Partial, Row,
};
use crate::error::CliError;
use crate::model::{Cluster, Shard};
use crate::term::{self, Output, OutputError, StreamTable};

/// What stands in a cell for a value that the object has not got.
const NONE: &str = "<none>";

/// Prints the pages of a list and the events after it.
pub(super) struct Show {
    out: Output,
    format: OutputFormat,
    watch: bool,
    columns: Columns,
    table: Option<StreamTable>,
    /// Objects printed so far.
    count: u64,
}

/// Which columns stand before and after the server's.
struct Columns {
    namespace: bool,
    wide: bool,
    event: bool,
    /// What `-o name` puts before the slash.
    kind: String,
    /// Where an object lies if the server does not say.
    shard: String,
    cluster: String,
    /// The priorities of the server's columns, one a cell.
    priorities: Vec<i32>,
}

impl Show {
    pub(super) fn new(
        found: &FoundType,
        wanted: &Wanted,
        format: OutputFormat,
        watch: bool,
    ) -> Self {
        let known = &found.known;
        let kind = if known.group.is_empty() {
            known.singular.clone()
        } else {
            format!("{}.{}", known.singular, known.group)
        };
        let columns = Columns {
            namespace: known.namespaced && wanted.namespace.is_none(),
            wide: format == OutputFormat::Wide,
            event: watch,
            kind,
            shard: match &wanted.scope.shard {
                Shard::All => NONE.to_owned(),
                Shard::Named(name) => name.to_string(),
            },
            cluster: match &wanted.scope.cluster {
                Cluster::All => NONE.to_owned(),
                Cluster::Named(name) => name.to_string(),
            },
            priorities: Vec::new(),
        };
        Self { out: Output::stdout(), format, watch, columns, table: None, count: 0 }
    }

    /// How the server is to show the objects.
    pub(super) fn form(&self) -> Form {
        match self.format {
            OutputFormat::Table | OutputFormat::Wide => Form::Table,
            OutputFormat::Json | OutputFormat::Yaml => Form::Objects,
            OutputFormat::Name => Form::Metadata,
        }
    }

    /// Whether nothing was printed but a frame.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the output is whole even without an object.
    pub(super) fn is_document(&self) -> bool {
        matches!(self.format, OutputFormat::Json | OutputFormat::Yaml)
    }

    /// Prints one page of a list.
    pub(super) fn page(&mut self, page: Page, sieve: &Sieve) -> Result<(), CliError> {
        if self.form() == Form::Table {
            self.table_page(page, sieve, EventKind::Added)?;
        } else {
            for item in page.items {
                // Only what is looked at is parsed.
                if self.format == OutputFormat::Name || sieve.sieves() {
                    let object: Partial = serde_json::from_str(item.get()).unwrap_or_default();
                    if !sieve.lets_through(&object.metadata) {
                        continue;
                    }
                    if self.format == OutputFormat::Name {
                        self.name(&object.metadata)?;
                        continue;
                    }
                }
                self.object(item.get(), EventKind::Added)?;
            }
        }
        if self.out.is_terminal() {
            self.out.finish()?;
        }
        Ok(())
    }

    /// Prints what follows the last page, which is of the state `revision`.
    pub(super) fn end_list(&mut self, revision: &str) -> Result<(), CliError> {
        let revision = Value::from(revision);
        match (self.format, self.watch) {
            (OutputFormat::Json, false) => {
                let items = if self.count == 0 {
                    "{\n    \"apiVersion\": \"v1\",\n    \"items\": []"
                } else {
                    "\n    ]"
                };
                self.out.line(&format!(
                    "{items},\n    \"kind\": \"List\",\n    \"metadata\": {{\n        \"resourceVersion\": {revision}\n    }}\n}}"
                ))?;
            }
            (OutputFormat::Yaml, false) => {
                if self.count == 0 {
                    self.out.line("apiVersion: v1\nitems: []")?;
                }
                self.out.line(&format!("kind: List\nmetadata:\n  resourceVersion: {revision}"))?;
            }
            _ => {}
        }
        Ok(self.out.finish()?)
    }

    /// Prints one event of a watch, so that a reader sees it now.
    pub(super) fn event(&mut self, event: &Event, sieve: &Sieve) -> Result<(), CliError> {
        let text = event.object.get();
        if self.form() == Form::Table {
            let page: Page = serde_json::from_str(text).unwrap_or_default();
            self.table_page(page, sieve, event.kind)?;
        } else {
            let object: Partial = serde_json::from_str(text).unwrap_or_default();
            if !sieve.lets_through(&object.metadata) {
                return Ok(());
            }
            if self.format == OutputFormat::Name {
                self.name(&object.metadata)?;
            } else {
                self.object(text, event.kind)?;
            }
        }
        Ok(self.out.finish()?)
    }

    /// Sends what is buffered.
    pub(super) fn flush(&mut self) -> Result<(), CliError> {
        Ok(self.out.finish()?)
    }

    fn name(&mut self, meta: &Meta) -> Result<(), CliError> {
        self.count += 1;
        let line = format!("{}/{}", self.columns.kind, term::clean(&meta.name));
        Ok(self.out.line(&line)?)
    }

    /// One object of a JSON or YAML output: an item of the list, or an event.
    fn object(&mut self, text: &str, kind: EventKind) -> Result<(), CliError> {
        let first = self.count == 0;
        self.count += 1;
        match (self.format, self.watch) {
            (OutputFormat::Json, true) => {
                self.out.line(&format!("{{\"type\":\"{}\",\"object\":{text}}}", kind.as_str()))?;
            }
            (OutputFormat::Json, false) => {
                let before = if first {
                    "{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n        "
                } else {
                    ",\n        "
                };
                self.out.write_all(before.as_bytes()).map_err(OutputError::from)?;
                term::indent_json(text, 2, &mut self.out).map_err(OutputError::from)?;
            }
            (_, true) => {
                let object = parsed(text);
                self.out.line(&format!("---\ntype: {}\nobject:", kind.as_str()))?;
                term::write_yaml(&object, 2, false, &mut self.out)?;
            }
            (_, false) => {
                if first {
                    self.out.line("apiVersion: v1\nitems:")?;
                }
                term::write_yaml(&parsed(text), 2, true, &mut self.out)?;
            }
        }
        Ok(())
    }

    fn table_page(&mut self, page: Page, sieve: &Sieve, kind: EventKind) -> Result<(), CliError> {
        let Page { items, column_definitions, rows, .. } = page;
        let (definitions, rows) = if items.is_empty() {
            (column_definitions, rows)
        } else {
            plain_rows(items.iter().map(|item| item.get()))
        };
        let columns = &mut self.columns;
        // Later pages and events may leave the definitions out.
        if self.table.is_none() && !definitions.is_empty() {
            columns.priorities = definitions.iter().map(|it| it.priority).collect();
        }
        let lines: Vec<Vec<String>> = rows
            .iter()
            .filter(|row| sieve.lets_through(&row.object.metadata))
            .map(|row| columns.line(row, kind))
            .collect();
        // Headings alone tell nobody anything, and the first rows decide the widths.
        if lines.is_empty() && self.table.is_none() {
            return Ok(());
        }
        self.count += lines.len() as u64;
        let table = self.table.get_or_insert_with(|| columns.table(&definitions));
        Ok(table.page(lines, &mut self.out)?)
    }
}

impl Columns {
    fn table(&self, definitions: &[ColumnDefinition]) -> StreamTable {
        let table = StreamTable::new(self.headings(definitions));
        if self.event { table.at_least(0, EventKind::Modified.as_str().len()) } else { table }
    }

    fn headings(&self, definitions: &[ColumnDefinition]) -> Vec<String> {
        let before = [
            self.event.then_some("event"),
            Some("shard"),
            Some("cluster"),
            self.namespace.then_some("namespace"),
        ];
        let shown = definitions.iter().filter(|it| self.wide || it.priority == 0);
        let after: &[&str] = if self.wide { &["original-rv", "original-uid"] } else { &[] };
        before
            .into_iter()
            .flatten()
            .chain(shown.map(|it| it.name.as_str()))
            .chain(after.iter().copied())
            .map(str::to_owned)
            .collect()
    }

    fn line(&self, row: &Row, kind: EventKind) -> Vec<String> {
        let meta = &row.object.metadata;
        let or = |text: &str, other: &str| {
            if text.is_empty() { other.to_owned() } else { text.to_owned() }
        };
        let mut line = Vec::with_capacity(row.cells.len() + 6);
        if self.event {
            line.push(kind.as_str().to_owned());
        }
        line.push(or(meta.shard(), &self.shard));
        line.push(or(meta.cluster(), &self.cluster));
        if self.namespace {
            line.push(or(&meta.namespace, NONE));
        }
        let cells = row.cells.iter().enumerate();
        let shown = cells.filter(|(index, _)| {
            self.wide || self.priorities.get(*index).is_none_or(|priority| *priority == 0)
        });
        line.extend(shown.map(|(_, cell)| cell_text(cell)));
        if self.wide {
            line.push(or(meta.original_revision(), NONE));
            line.push(or(meta.original_uid(), NONE));
        }
        line
    }
}

fn cell_text(cell: &Value) -> String {
    match cell {
        Value::Null => NONE.to_owned(),
        Value::String(text) if text.is_empty() => NONE.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Name and time, from a server that makes no tables.
fn plain_rows<'a>(items: impl Iterator<Item = &'a str>) -> (Vec<ColumnDefinition>, Vec<Row>) {
    let rows = items
        .map(|text| {
            let object: Partial = serde_json::from_str(text).unwrap_or_default();
            let made = object.metadata.creation_timestamp.clone();
            let cells = vec![Value::from(object.metadata.name.clone()), Value::from(made)];
            Row { cells, object }
        })
        .collect();
    let column = |name: &str| ColumnDefinition { name: name.to_owned(), priority: 0 };
    (vec![column("Name"), column("Created At")], rows)
}

fn parsed(text: &str) -> Value {
    // The text was cut from a document that was parsed.
    serde_json::from_str(text).unwrap_or_default()
}
