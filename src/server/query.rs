//! The query string: pairs, and the options that verbs read from them.

use std::num::{IntErrorKind, ParseIntError};
use std::time::Duration;

use percent_encoding::percent_decode_str;

use crate::model::Revision;
use crate::model::duration::{self, DurationError};
use crate::model::selector::{FieldSelector, LabelSelector};

use super::status::{ApiError, Problem, Qualified, quoted};

/// The pairs of a query string. Pairs that cannot be decoded are left out, as the
/// original does.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

/// What a list or a watch asks for.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// What the labels must be.
    pub labels: LabelSelector,
    /// What name and namespace must be.
    pub fields: FieldSelector,
    /// The revision; none if it is unset or 0.
    pub revision: Option<Revision>,
    /// Whether the revision is set, be it to 0.
    pub has_revision: bool,
    /// How the revision is meant.
    pub matching: Matching,
    /// The most items of a page; 0 is no limit.
    pub limit: usize,
    /// Where the last page ended; empty is the beginning.
    pub token: String,
    /// Whether a stream of changes is wanted.
    pub watch: bool,
    /// Whether a watch begins with what there is.
    pub send_initial_events: Option<bool>,
    /// Whether bookmarks are welcome.
    pub bookmarks: bool,
    /// How long a watch lasts.
    pub timeout: Option<Duration>,
}

/// How a list means its revision.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Matching {
    /// Not said.
    #[default]
    Unset,
    /// That revision or a later one.
    NotOlderThan,
    /// That revision.
    Exact,
}

/// What the answers to wrong list options speak of.
const OPTIONS: Qualified<'_> = Qualified { group: "meta.k8s.io", name: "ListOptions" };

const MATCH: &str = "resourceVersionMatch";

impl Query {
    /// Reads a query string.
    pub fn parse(raw: &str) -> Self {
        let decode = |text: &str| {
            let broken = text.as_bytes().windows(1).enumerate().any(|(at, byte)| {
                byte == b"%"
                    && !text
                        .as_bytes()
                        .get(at + 1..at + 3)
                        .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            });
            let plain = text.replace('+', " ");
            (!broken).then(|| percent_decode_str(&plain).decode_utf8_lossy().into_owned())
        };
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(key)?, decode(value)?))
        };
        let pairs = raw.split('&').filter(|it| !it.is_empty() && !it.contains(';'));
        Self(pairs.filter_map(pair).collect())
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// Every value of `key`.
    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(found, _)| found == key).map(|(_, value)| value.as_str())
    }

    /// A flag: anything but `false` and `0` is true.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).map(|value| !matches!(value.to_ascii_lowercase().as_str(), "false" | "0"))
    }

    /// Whether nothing should be written. `options` names what the client sent.
    pub fn dry_run(&self, options: &'static str) -> Result<bool, ApiError> {
        let values: Vec<&str> = self.all("dryRun").collect();
        if values.iter().all(|value| *value == "All") {
            return Ok(!values.is_empty());
        }
        let list: Vec<String> = values.iter().map(|value| quoted(value.as_bytes())).collect();
        let shown = format!("[{}]", list.join(","));
        let problem = Problem::unsupported("dryRun", &shown, &["All"]);
        let kind = Qualified { group: "meta.k8s.io", name: options };
        Err(ApiError::invalid(kind, "", &[problem]))
    }

    /// The revision that a single object must be at least as new as; 0 if none is named.
    pub fn revision(&self) -> Result<Revision, ApiError> {
        let text = self.get("resourceVersion").unwrap_or_default();
        Ok(revision(text, false)?.unwrap_or(Revision::ZERO))
    }

    /// How long the client will wait for the answer; none if it does not say.
    pub fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.get("timeout").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let nanos = duration::parse(text).map_err(|error| {
            let whole = quoted(text.as_bytes());
            let why = match error {
                DurationError::Unit { unit, .. } if unit.is_empty() => {
                    format!("missing unit in duration {whole}")
                }
                DurationError::Unit { unit, .. } => {
                    format!("unknown unit {} in duration {whole}", quoted(unit.as_bytes()))
                }
                DurationError::Malformed(_) | DurationError::TooLong(_) => {
                    format!("invalid duration {whole}")
                }
            };
            ApiError::bad_request(format!(
                "invalid timeout specified in the request URL - time: {why}"
            ))
        })?;
        Ok(u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos))
    }

    /// Reads what a list or a watch asks for.
    pub fn list_options(&self, legacy_watch: bool) -> Result<ListOptions, ApiError> {
        let get = |key| self.get(key).unwrap_or_default();
        let watch = legacy_watch || self.flag("watch").unwrap_or(false);
        let labels = get("labelSelector")
            .parse()
            .map_err(|error| ApiError::bad_request(format!("{error}")))?;
        let fields = get("fieldSelector")
            .parse()
            .map_err(|error| ApiError::bad_request(format!("{error}")))?;
        let timeout = self.integer("timeoutSeconds")?.filter(|seconds| *seconds != 0);
        let limit = self.integer("limit")?.and_then(|limit| usize::try_from(limit).ok());
        let token = get("continue").to_owned();
        let send_initial_events = self.flag("sendInitialEvents");
        let revision = revision(get("resourceVersion"), watch)?;
        let matching = self.matching(watch, send_initial_events, &token)?;
        Ok(ListOptions {
            labels,
            fields,
            revision: revision.filter(|revision| *revision != Revision::ZERO),
            has_revision: revision.is_some(),
            matching,
            limit: limit.unwrap_or(0),
            token,
            watch,
            send_initial_events,
            bookmarks: self.flag("allowWatchBookmarks").unwrap_or(false),
            timeout: timeout.map(|it| Duration::from_secs(u64::try_from(it).unwrap_or(0))),
        })
    }

    fn integer(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(key).filter(|text| !text.is_empty()) else { return Ok(None) };
        text.parse().map(Some).map_err(|error: ParseIntError| {
            let text = quoted(text.as_bytes());
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            ApiError::bad_request(format!("strconv.ParseInt: parsing {text}: {why}"))
        })
    }

    fn matching(
        &self,
        watch: bool,
        send_initial_events: Option<bool>,
        token: &str,
    ) -> Result<Matching, ApiError> {
        let text = self.get(MATCH).unwrap_or_default();
        let shown = quoted(text.as_bytes());
        let has_revision = self.get("resourceVersion").is_some_and(|it| !it.is_empty());
        let mut problems = Vec::new();
        let mut forbid = |why| problems.push(Problem::forbidden(MATCH, why));
        if watch {
            if send_initial_events.is_some() && text != "NotOlderThan" {
                forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
            }
            if send_initial_events.is_none() && !text.is_empty() {
                forbid(
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                );
            }
            if !text.is_empty() && text != "NotOlderThan" {
                problems.push(Problem::unsupported(MATCH, &shown, &["NotOlderThan"]));
            }
            // What the original makes of a page where there is none.
            if !token.is_empty() && !has_revision && send_initial_events.is_none() {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                problems.push(Problem::forbidden(MATCH, why));
            }
        } else {
            if send_initial_events.is_some() {
                let why = "sendInitialEvents is forbidden for list";
                problems.push(Problem::forbidden("sendInitialEvents", why));
            }
            if !text.is_empty() && !has_revision {
                let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
                problems.push(Problem::forbidden(MATCH, why));
            }
            if !text.is_empty() && !token.is_empty() {
                let why = "resourceVersionMatch is forbidden when continue is provided";
                problems.push(Problem::forbidden(MATCH, why));
            }
            if !matches!(text, "" | "NotOlderThan" | "Exact") {
                let known = ["Exact", "NotOlderThan", ""];
                problems.push(Problem::unsupported(MATCH, &shown, &known));
            }
            if text == "Exact" && self.get("resourceVersion") == Some("0") {
                let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
                problems.push(Problem::forbidden(MATCH, why));
            }
        }
        if !problems.is_empty() {
            return Err(ApiError::invalid(OPTIONS, "", &problems));
        }
        Ok(match text {
            "NotOlderThan" => Matching::NotOlderThan,
            "Exact" => Matching::Exact,
            _ => Matching::Unset,
        })
    }
}

/// A revision as a list or a watch names it; none if it is not set.
fn revision(text: &str, watch: bool) -> Result<Option<Revision>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let shown = quoted(text.as_bytes());
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let why = if digits { "value out of range" } else { "invalid syntax" };
        let what = format!(
            "resourceVersion: Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {why}"
        );
        if watch {
            ApiError::internal_without_reason(what)
        } else {
            ApiError::bad_request(format!("invalid resource version: {what}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(query: &str) -> String {
        Query::parse(query).list_options(false).unwrap_err().message().to_owned()
    }

    #[test]
    fn options_are_read_as_the_original_reads_them() {
        let options = Query::parse(
            "watch=1&resourceVersion=0&labelSelector=a%3Db&limit=5&timeoutSeconds=7&x=%zz&a;b",
        )
        .list_options(false)
        .unwrap();
        assert!(options.watch && options.has_revision && options.revision.is_none());
        assert_eq!((options.limit, options.timeout), (5, Some(Duration::from_secs(7))));
        assert!(!options.labels.is_everything());
        for (query, watch) in [("watch", true), ("watch=", true), ("watch=false", false)] {
            assert_eq!(Query::parse(query).list_options(false).unwrap().watch, watch, "{query}");
        }
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        for (query, expected) in [
            (
                "watch=1&sendInitialEvents=true",
                "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            ("limit=bad", "strconv.ParseInt: parsing \"bad\": invalid syntax"),
            (
                "watch=1&resourceVersion=bad",
                "resourceVersion: Invalid value: \"bad\": strconv.ParseUint: parsing \"bad\": invalid syntax",
            ),
        ] {
            assert_eq!(message(query), expected, "{query}");
        }
    }

    #[test]
    fn a_dry_run_is_all_or_nothing() {
        assert!(Query::parse("dryRun=All&dryRun=All").dry_run("CreateOptions").unwrap());
        assert!(!Query::parse("").dry_run("CreateOptions").unwrap());
        assert_eq!(
            Query::parse("dryRun=Some").dry_run("CreateOptions").unwrap_err().message(),
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\""
        );
    }
}
