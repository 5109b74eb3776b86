//! How what is left is printed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::find::Left;
use super::remove::Removed;
use crate::cli::args::OutputFormat;
use crate::error::CliError;
use crate::term::{self, Output, Table};

/// What goes, on its way to stdout.
pub(super) struct Shown {
    out: Output,
    format: OutputFormat,
    server: String,
    dry_run: bool,
}

impl Shown {
    pub(super) fn new(server: &str, format: OutputFormat, dry_run: bool) -> Self {
        Self { out: Output::stdout(), format, server: server.to_owned(), dry_run }
    }

    /// Prints what is read before a question: each object in a trial, how many there are
    /// otherwise.
    pub(super) fn before(&mut self, lefts: &[Left]) -> Result<(), CliError> {
        match self.format {
            OutputFormat::Json | OutputFormat::Yaml => return Ok(()),
            OutputFormat::Name => {
                for left in lefts {
                    self.out.line(&format!("{}/{}", left.resource, term::clean(&left.name)))?;
                }
            }
            _ if self.dry_run || self.format == OutputFormat::Wide => self.objects(lefts)?,
            _ => self.counts(lefts)?,
        }
        Ok(self.out.finish()?)
    }

    fn objects(&mut self, lefts: &[Left]) -> Result<(), CliError> {
        let namespaced = lefts.iter().any(|it| !it.namespace.is_empty());
        let namespace = namespaced.then_some("namespace");
        let headings = ["resource", "shard", "cluster"].into_iter().chain(namespace);
        let mut table = Table::new(headings.chain(["name"]));
        for left in lefts {
            let before = [&left.resource, &left.shard, &left.cluster].map(String::as_str);
            let namespace = namespaced.then_some(left.namespace.as_str());
            table.row(before.into_iter().chain(namespace).chain([left.name.as_str()]));
        }
        Ok(table.print(&mut self.out)?)
    }

    fn counts(&mut self, lefts: &[Left]) -> Result<(), CliError> {
        let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for left in lefts {
            *counts.entry((&left.resource, &left.shard)).or_default() += 1;
        }
        let mut table = Table::new(["resource", "shard", "objects"]).right([2]);
        for ((resource, shard), count) in counts {
            table.row([resource.to_owned(), shard.to_owned(), term::grouped(count)]);
        }
        Ok(table.print(&mut self.out)?)
    }

    /// Prints what is told at the end.
    pub(super) fn end(&mut self, lefts: &[Left], removed: &Removed) -> Result<(), CliError> {
        match self.format {
            OutputFormat::Json => term::write_json(&self.document(lefts, removed), &mut self.out)?,
            OutputFormat::Yaml => {
                let document = self.document(lefts, removed);
                term::write_yaml(&document, 0, false, &mut self.out)?;
            }
            _ => {}
        }
        Ok(self.out.finish()?)
    }

    fn document(&self, lefts: &[Left], removed: &Removed) -> Value {
        let items: Vec<Value> = lefts
            .iter()
            .enumerate()
            .map(|(at, left)| {
                let mut item = json!({
                    "resource": left.resource, "shard": left.shard, "cluster": left.cluster,
                    "name": left.name, "resourceVersion": left.condition.resource_version,
                    "deleted": removed.is_gone(at),
                });
                if !left.namespace.is_empty() {
                    item["namespace"] = Value::from(left.namespace.clone());
                }
                item
            })
            .collect();
        json!({"server": self.server, "dryRun": self.dry_run, "items": items})
    }
}
