//! The contract of the wire as tables: a row for each thing that a client may ask, and
//! what it is told.
//!
//! ```text
//! row("what it is about")
//!     .given(…)  the object `one` that is there before       (else a plain one)
//!     .patch(…)  the request
//!     .told(…)   the answer, as the original gives it
//!     .then(…)   what a GET of `one` says afterwards
//!     .here(…)   the answer of ours where it is another on purpose, and why
//! ```
//!
//! An answer is a line. A refusal is `code reason: message`; `…` stands for an end that is
//! not compared. Anything else is a code and the values of some fields, as in
//! `200 /spec/a=2 /status=-`, where `-` is none, `*` is every element of a list, and
//! `/header/NAME` a header. In requests and answers `$E` is the collection, `$C` the path
//! of its cluster, `$rv` and `$uid` are those of the object `one`.
//!
//! Every row has a cluster of its own and is asked under both names of the executable, or
//! of another server (see CONTRIBUTING.md), which is then held to what the original says.
//!
//! # Where the other tables are
//!
//! | what | where |
//! |---|---|
//! | paths, encoding, identities, endpoints | `paths` |
//! | who may do what | `authorization` |
//! | creates, updates and deletes as stories | `objects`, `scenarios` |
//! | lists, pages, selectors, forms | `lists`, `history` |
//! | events | `watch_scripts`, `watches` |
//! | bodies that are no objects | `bad_input` |
//! | limits | `limits` |
//! | users' types | `user_types` |
//! | definitions, discovery | `definitions`, `discovery` |

mod applies;
mod creates;
mod deletes;
mod patches;
mod reads;
mod scopes;
mod types;
mod updates;

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Request, Server, at};

/// A type whose objects the rows are about.
#[derive(Clone, Copy)]
struct Kind {
    collection: &'static str,
    api_version: &'static str,
    name: &'static str,
}

const EXPORTS: Kind = Kind {
    collection: "apis/apis.kcp.io/v1alpha1/apiexports",
    api_version: "apis.kcp.io/v1alpha1",
    name: "APIExport",
};
const CLUSTER_ROLES: Kind = Kind {
    collection: "apis/rbac.authorization.k8s.io/v1/clusterroles",
    api_version: "rbac.authorization.k8s.io/v1",
    name: "ClusterRole",
};
const ROLES: Kind = Kind {
    collection: "apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
    api_version: "rbac.authorization.k8s.io/v1",
    name: "Role",
};

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// The answer of a server that ends the connection without one.
const CUT: &str = "the connection ends";

/// One thing that is asked, and what must be answered.
struct Row {
    what: &'static str,
    kind: Kind,
    given: Option<Value>,
    method: &'static str,
    target: &'static str,
    query: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Body,
    told: &'static str,
    then: &'static str,
    here: Option<Here>,
}

enum Body {
    None,
    Text(&'static str),
    /// A whole object with these fields.
    Object(Value),
    /// What is stored, with these changes; null removes a field.
    Changed(Value),
}

/// What ours says instead, and why.
struct Here {
    told: &'static str,
    why: &'static str,
}

fn row(what: &'static str) -> Row {
    Row {
        what,
        kind: EXPORTS,
        given: Some(json!({"spec": {"a": 1}})),
        method: "GET",
        target: "$E/one",
        query: "",
        headers: Vec::new(),
        body: Body::None,
        told: "",
        then: "",
        here: None,
    }
}

impl Row {
    fn of(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The object `one` has these fields besides its name.
    fn given(mut self, fields: Value) -> Self {
        self.given = Some(fields);
        self
    }

    /// There is no object `one`.
    fn without(mut self) -> Self {
        self.given = None;
        self
    }

    fn asked(mut self, method: &'static str, target: &'static str, body: Body) -> Self {
        (self.method, self.target, self.body) = (method, target, body);
        self
    }

    fn get(self, target: &'static str) -> Self {
        self.asked("GET", target, Body::None)
    }

    /// Creates an object with these fields.
    fn post(self, fields: Value) -> Self {
        self.asked("POST", "$E", Body::Object(fields))
    }

    /// Replaces `one` by itself with these changes.
    fn put(self, changes: Value) -> Self {
        self.asked("PUT", "$E/one", Body::Changed(changes))
    }

    fn patch(self, media_type: &'static str, body: &'static str) -> Self {
        self.asked("PATCH", "$E/one", Body::Text(body)).header("Content-Type", media_type)
    }

    /// Deletes `one`.
    fn delete(self, body: &'static str) -> Self {
        let body = if body.is_empty() { Body::None } else { Body::Text(body) };
        self.asked("DELETE", "$E/one", body)
    }

    fn target(mut self, target: &'static str) -> Self {
        self.target = target;
        self
    }

    fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn told(mut self, told: &'static str) -> Self {
        self.told = told;
        self
    }

    fn then(mut self, then: &'static str) -> Self {
        self.then = then;
        self
    }

    fn here(mut self, told: &'static str, why: &'static str) -> Self {
        self.here = Some(Here { told, why });
        self
    }

    /// Asks, and says what is not as it should be.
    fn differences(&self, client: &Client, cluster: &str, is_foreign: bool) -> Vec<String> {
        let root = at("amber", cluster, "").trim_end_matches('/').to_owned();
        let collection = format!("{root}/{}", self.kind.collection);
        let one = self
            .given
            .as_ref()
            .map(|fields| client.post(&collection, &self.object(fields)).object(201))
            // The first update brings home the annotations of the server; then nothing moves.
            .map(|object| client.put(format!("{collection}/one"), &object).object(200));
        let metadata =
            |key: &str| one.as_ref().and_then(|it| it["metadata"][key].as_str()).unwrap_or("");
        let (revision, uid) = (metadata("resourceVersion"), metadata("uid"));
        let filled = |text: &str| {
            text.replace("$E", &collection)
                .replace("$C", &root)
                .replace("$rv", revision)
                .replace("$uid", uid)
        };
        let request = Request::new(self.method, filled(&format!("{}{}", self.target, self.query)));
        let request = self.headers.iter().fold(request, |it, (name, value)| it.header(name, value));
        let request = match &self.body {
            Body::None => request,
            Body::Text(text) => request.body(filled(text)),
            Body::Object(fields) => request.body(filled(&self.object(fields).to_string())),
            Body::Changed(changes) => {
                let mut object = one.clone().unwrap_or_else(|| self.object(&json!({})));
                let changes: Value = serde_json::from_str(&filled(&changes.to_string())).unwrap();
                json_patch::merge(&mut object, &changes);
                request.json(&object)
            }
        };
        let mut wrong = Vec::new();
        let compare = |which: &str, answer: &Answer, wanted: &str| {
            let wanted = filled(wanted);
            let got = seen(answer, &wanted);
            let same = match wanted.strip_suffix('…') {
                Some(beginning) => got.starts_with(beginning),
                None => got == wanted,
            };
            let what = self.what;
            (!same).then(|| format!("{what}{which}\n  wanted {wanted}\n  got    {got}"))
        };
        let here = self.here.as_ref().filter(|_| !is_foreign);
        match client.try_send(&request) {
            Ok(answer) => wrong.extend(compare("", &answer, here.map_or(self.told, |it| it.told))),
            Err(_) if here.is_none() && self.told == CUT => {}
            Err(error) => wrong.push(format!("{}\n  got    {error}", self.what)),
        }
        if self.then == "the same" {
            let now = client.get(format!("{collection}/one"));
            if one != Some(now.json()) {
                wrong.push(format!("{}, afterwards\n  got    {now}", self.what));
            }
        } else if !self.then.is_empty() && (here.is_none() || !is_refusal(here)) {
            let now = client.get(format!("{collection}/one"));
            wrong.extend(compare(", afterwards", &now, self.then));
        }
        wrong
    }

    /// An object of the row's type, `one` unless the fields name it.
    fn object(&self, fields: &Value) -> Value {
        let mut object = json!({
            "apiVersion": self.kind.api_version,
            "kind": self.kind.name,
            "metadata": {"name": "one"},
        });
        json_patch::merge(&mut object, fields);
        object
    }
}

/// Whether ours refuses what the original does, so that its effect is not there to see.
fn is_refusal(here: Option<&Here>) -> bool {
    here.is_some_and(|it| it.told.starts_with('4'))
}

/// Asks every row of a table, and compares all of them before it complains.
#[track_caller]
fn check(table: &str, rows: &[Row]) {
    let mut wrong = Vec::new();
    for server in [Server::shared_cache_server(), Server::shared()] {
        let client = server.admin();
        for (number, row) in rows.iter().enumerate() {
            assert!(row.here.as_ref().is_none_or(|it| !it.why.is_empty()), "{}", row.what);
            let cluster = format!("{table}-{number}");
            wrong.extend(row.differences(&client, &cluster, server.is_foreign()));
        }
    }
    assert!(wrong.is_empty(), "{} rows of {table} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// An answer as a line, with those fields that `wanted` names.
fn seen(answer: &Answer, wanted: &str) -> String {
    if wanted.len() == 3 {
        return answer.status.to_string();
    }
    let is_text = answer.header("content-type").is_some_and(|it| it.starts_with("text/plain"));
    let Some(fields) = wanted.get(3..).and_then(|it| it.strip_prefix(" /")).filter(|_| !is_text)
    else {
        let refused = answer.status >= 400 || is_text;
        return if refused { answer.refusal_line() } else { answer.to_string() };
    };
    let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let mut line = answer.status.to_string();
    for field in fields.split(" /") {
        let path = field.split_once('=').map_or(field, |(path, _)| path);
        let value = match path.strip_prefix("header/") {
            Some(name) => headers(answer, name),
            None => pick(&body, path),
        };
        let shown = value.map_or("-".to_owned(), |value| value.to_string());
        write!(line, " /{path}={shown}").unwrap();
    }
    line
}

fn headers(answer: &Answer, name: &str) -> Option<Value> {
    let values: Vec<&str> =
        answer.headers.iter().filter(|(it, _)| it == name).map(|(_, value)| &**value).collect();
    (!values.is_empty()).then(|| json!(values.join("; ")))
}

/// The value at a path; below `*` those of all elements.
fn pick(value: &Value, path: &str) -> Option<Value> {
    let (key, rest) = match path.split_once('/') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    if key == "*" {
        let each = value.as_array()?.iter();
        let rest = rest.unwrap_or_default();
        return Some(each.map(|it| pick(it, rest).unwrap_or(Value::Null)).collect());
    }
    let key = key.replace("~1", "/");
    let member = match value {
        Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
        _ => value.get(&key)?,
    };
    rest.map_or_else(|| Some(member.clone()), |rest| pick(member, rest))
}
