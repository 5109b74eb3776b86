//! The cluster's door: a request becomes a read or a write of the state, or a watch on it.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response};
use kcpctl::model::selector::LabelSelector;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::fields::Writer;
use super::state::{Change, Edit, Key, Refusal, State};
use super::types::{Type, discovery};
use super::{Effect, Inner, Requested};

/// The end of a connection that is to break.
#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is to break")
    }
}

impl std::error::Error for Broken {}

type Body = UnsyncBoxBody<Bytes, Broken>;
type Answer = Response<Body>;

/// What a request asks for.
struct Ask {
    verb: &'static str,
    of: Type,
    version: String,
    namespace: String,
    name: String,
    subresource: String,
    query: HashMap<String, String>,
}

impl Ask {
    fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    fn key(&self, name: &str) -> Key {
        (self.of.group.clone(), self.of.plural.clone(), self.namespace.clone(), name.to_owned())
    }

    fn is_wanted(&self, key: &Key, object: &Value) -> bool {
        if (&key.0, &key.1) != (&self.of.group, &self.of.plural)
            || !self.namespace.is_empty() && key.2 != self.namespace
            || !self.name.is_empty() && key.3 != self.name
        {
            return false;
        }
        let labels = object["metadata"].get("labels").map_or("{}".into(), Value::to_string);
        let selector: LabelSelector = self.query("labelSelector").parse().unwrap();
        let fields = self.query("fieldSelector").split(',').filter(|it| !it.is_empty());
        let mut fields = fields.filter_map(|it| it.split_once('='));
        selector.matches(labels.as_bytes())
            && fields.all(|(field, value)| {
                let path = format!("/{}", field.replace('.', "/"));
                object.pointer(&path).and_then(Value::as_str) == Some(value.trim_start_matches('='))
            })
    }

    /// An object as it is served.
    fn served(&self, object: &Value) -> Value {
        let mut object = object.clone();
        object["apiVersion"] = self.of.api_version(&self.version).into();
        object["kind"] = self.of.kind.clone().into();
        object
    }
}

/// Answers one request; an error breaks the connection.
pub(super) async fn answer(
    inner: Arc<Inner>,
    request: Request<Incoming>,
) -> Result<Answer, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let path = head.uri.path().to_owned();
    let query: HashMap<String, String> = head
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|it| !it.is_empty())
        .map(|it| it.split_once('=').unwrap_or((it, "")))
        .map(|(name, value)| (name.to_owned(), decoded(&value.replace('+', " "))))
        .collect();
    let content = head.headers.get("content-type").and_then(|it| it.to_str().ok());
    let content = content.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
    inner.requests.lock().push(Requested {
        method: head.method.to_string(),
        path: path.clone(),
        query: query.clone(),
        content_type: content.clone(),
        body: serde_json::from_slice(&body)
            .or_else(|_| serde_yaml::from_slice(&body))
            .unwrap_or_default(),
    });
    if content.ends_with("protobuf") {
        let message = "only JSON and YAML are understood";
        return Ok(refused(&Refusal::new(415, "UnsupportedMediaType", message)));
    }
    let effect = inner.fault(head.method.as_str(), &path, &query);
    match effect {
        Some(Effect::Refuse { code, retry_after }) => {
            let reason = if code == 429 { "TooManyRequests" } else { "InternalError" };
            let mut answer = refused(&Refusal::new(code, reason, "the server is made to say no"));
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert("retry-after", seconds.into());
            }
            return Ok(answer);
        }
        Some(Effect::Expire) => {
            let refusal = Refusal::new(410, "Expired", "the resource version is too old");
            let watches = query.contains_key("watch");
            return Ok(if watches { expired(&refusal) } else { refused(&refusal) });
        }
        Some(Effect::Break) => return Err(Broken),
        Some(Effect::Hang) => std::future::pending::<()>().await,
        Some(Effect::BreakAfterwards | Effect::Hold | Effect::Warn(_)) | None => {}
    }
    let parts: Vec<String> = path.split('/').filter(|it| !it.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let answer = route(&inner, &head.method, &parts, query, &content, &body);
    if effect == Some(Effect::Hold) {
        let mut changed = inner.changed.subscribe();
        let released = {
            let mut cuts = inner.cuts.lock();
            cuts.held += 1;
            cuts.released
        };
        while inner.cuts.lock().released == released && changed.changed().await.is_ok() {}
    }
    if effect == Some(Effect::BreakAfterwards) {
        return Err(Broken);
    }
    let mut answer = answer.unwrap_or_else(|refusal| refused(&refusal));
    if let Some(Effect::Warn(text)) = effect {
        let warning = format!("299 - {text:?}").parse().unwrap();
        answer.headers_mut().insert("warning", warning);
    }
    Ok(answer)
}

fn route(
    inner: &Arc<Inner>,
    method: &Method,
    parts: &[&str],
    query: HashMap<String, String>,
    content: &str,
    body: &[u8],
) -> Result<Answer, Refusal> {
    if let ["healthz" | "livez" | "readyz", ..] = parts {
        return Ok(plain("ok"));
    }
    if method == Method::GET
        && let Some(found) = discovery(parts, &inner.state.lock().types)
    {
        return Ok(shown(200, &found));
    }
    if let ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] = parts {
        return review(inner, body);
    }
    let ask = ask(inner, method, parts, query)?;
    inner.permit(ask.verb, &ask.of, &ask.subresource)?;
    match ask.verb {
        "watch" => Ok(watch(Arc::clone(inner), ask)),
        "list" => Ok(list(&inner.state.lock(), &ask)),
        "get" => {
            let state = inner.state.lock();
            let found = state.objects.get(&ask.key(&ask.name));
            let found = found.ok_or_else(|| Refusal::not_found(&ask.of, &ask.name))?;
            Ok(shown(200, &ask.served(found)))
        }
        "delete" | "deletecollection" => delete(inner, &ask, body),
        _ => write(inner, &ask, content, body),
    }
}

fn ask(
    inner: &Inner,
    method: &Method,
    parts: &[&str],
    query: HashMap<String, String>,
) -> Result<Ask, Refusal> {
    let unknown =
        || Refusal::new(404, "NotFound", "the server could not find the requested resource");
    let (group, version, rest) = match parts {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(unknown()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, plural, rest @ ..]
            if !["status", "finalize"].contains(plural) =>
        {
            (*namespace, [&[*plural], rest].concat())
        }
        _ => ("", rest.to_vec()),
    };
    let plural = rest.first().ok_or_else(unknown)?;
    let of = inner.state.lock().find_type(group, plural, version).ok_or_else(unknown)?;
    if !of.namespaced && !namespace.is_empty() || rest.len() > 3 {
        return Err(unknown());
    }
    let name = rest.get(1).copied().unwrap_or_default();
    let subresource = rest.get(2).copied().unwrap_or_default();
    let is_served = subresource.is_empty() || subresource == "status" && of.status;
    if !is_served {
        return Err(unknown());
    }
    let watches = query.get("watch").is_some_and(|it| it == "true" || it == "1");
    let verb = match (method.as_str(), name.is_empty()) {
        ("GET", _) if watches => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", true) => "create",
        ("PUT", false) => "update",
        ("PATCH", false) => "patch",
        ("DELETE", true) => "deletecollection",
        ("DELETE", false) => "delete",
        _ => {
            return Err(Refusal::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method",
            ));
        }
    };
    if of.namespaced && namespace.is_empty() && !["list", "watch"].contains(&verb) {
        return Err(unknown());
    }
    Ok(Ask {
        verb,
        of,
        version: version.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        subresource: subresource.to_owned(),
        query,
    })
}

fn review(inner: &Inner, body: &[u8]) -> Result<Answer, Refusal> {
    let mut review = parsed(body)?;
    let asked = review["spec"]["resourceAttributes"].clone();
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let allowed = inner.may(&text("verb"), &text("resource"), &text("subresource"));
    review["status"] = json!({ "allowed": allowed });
    if !allowed {
        review["status"]["reason"] = "no role of yours says so".into();
    }
    Ok(shown(201, &review))
}

fn list(state: &State, ask: &Ask) -> Answer {
    let all: Vec<&Value> = state
        .objects
        .iter()
        .filter(|(key, object)| ask.is_wanted(key, object))
        .map(|it| it.1)
        .collect();
    // Where a page begins is its token.
    let begin = ask.query("continue").parse().unwrap_or(0).min(all.len());
    let limit = ask.query("limit").parse().ok().filter(|it| *it > 0).unwrap_or(usize::MAX);
    let end = begin.saturating_add(limit).min(all.len());
    let items: Vec<Value> = all[begin..end].iter().map(|it| ask.served(it)).collect();
    let mut metadata = json!({ "resourceVersion": state.revision.to_string() });
    if end < all.len() {
        metadata["continue"] = end.to_string().into();
        metadata["remainingItemCount"] = (all.len() - end).into();
    }
    shown(
        200,
        &json!({
            "kind": format!("{}List", ask.of.kind), "apiVersion": ask.of.api_version(&ask.version),
            "metadata": metadata, "items": items,
        }),
    )
}

fn delete(inner: &Inner, ask: &Ask, body: &[u8]) -> Result<Answer, Refusal> {
    let options = if body.is_empty() { json!({}) } else { parsed(body)? };
    let orphan =
        options["propagationPolicy"] == "Orphan" || ask.query("propagationPolicy") == "Orphan";
    let dry_run = !options["dryRun"].is_null() || ask.query("dryRun") == "All";
    let now = inner.now();
    let mut state = inner.state.lock();
    let keys: Vec<Key> = if ask.name.is_empty() {
        let found = state.objects.iter().filter(|(key, object)| ask.is_wanted(key, object));
        found.map(|it| it.0.clone()).collect()
    } else {
        vec![ask.key(&ask.name)]
    };
    let mut last = Value::Null;
    for key in keys {
        let found = state.objects.get(&key).cloned();
        let found = found.ok_or_else(|| Refusal::not_found(&ask.of, &ask.name))?;
        for name in ["uid", "resourceVersion"] {
            let wanted = &options["preconditions"][name];
            if wanted.is_string() && *wanted != found["metadata"][name] {
                let message = format!("Precondition failed: {name} in precondition: {wanted}");
                return Err(Refusal::new(409, "Conflict", message));
            }
        }
        last = if dry_run { found } else { state.delete(&key, orphan, &now).unwrap_or_default() };
    }
    drop(state);
    inner.changed.send_modify(|it| *it += 1);
    Ok(shown(200, &ask.served(&last)))
}

fn write(inner: &Inner, ask: &Ask, content: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let manager = match ask.query("fieldManager") {
        "" => "unknown",
        manager => manager,
    };
    let now = inner.now();
    let writer = Writer { manager, subresource: &ask.subresource, now: &now };
    let patch;
    let (name, edit) = if ask.verb == "patch" {
        let body: Value = if content == "application/apply-patch+yaml" {
            serde_yaml::from_slice(body)
                .map_err(|it| Refusal::new(400, "BadRequest", it.to_string()))?
        } else {
            parsed(body)?
        };
        let edit = match content {
            "application/apply-patch+yaml" => {
                if ask.query("fieldManager").is_empty() {
                    let message = "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required \
                                   value: is required for apply patch";
                    return Err(Refusal::new(422, "Invalid", message));
                }
                let object = sound(ask, body, &ask.name)?;
                Edit::Apply { object, force: ask.query("force") == "true" }
            }
            "application/merge-patch+json" => {
                patch = Box::new(move |live: &Value| {
                    let mut next = live.clone();
                    json_patch::merge(&mut next, &body);
                    Ok(next)
                }) as Box<dyn Fn(&Value) -> Result<Value, Refusal>>;
                Edit::Patch(&*patch)
            }
            "application/json-patch+json" => {
                let steps: json_patch::Patch = serde_json::from_value(body)
                    .map_err(|it| Refusal::new(400, "BadRequest", it.to_string()))?;
                patch = Box::new(move |live: &Value| {
                    let mut next = live.clone();
                    json_patch::patch(&mut next, &steps)
                        .map_err(|it| Refusal::new(422, "Invalid", it.to_string()))?;
                    Ok(next)
                });
                Edit::Patch(&*patch)
            }
            other => {
                let message = format!("the patch type {other:?} is not one that is served");
                return Err(Refusal::new(415, "UnsupportedMediaType", message));
            }
        };
        (ask.name.clone(), edit)
    } else {
        let mut object = parsed(body)?;
        let named = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let name = match (ask.name.is_empty(), object["metadata"]["generateName"].as_str()) {
            (true, Some(prefix)) if named.is_empty() => {
                let name = format!("{prefix}{:05}", inner.state.lock().revision);
                object["metadata"]["name"] = name.clone().into();
                name
            }
            (true, _) => named,
            (false, _) => ask.name.clone(),
        };
        let object = sound(ask, object, &name)?;
        (name, if ask.verb == "create" { Edit::Create(object) } else { Edit::Replace(object) })
    };
    let dry_run = ask.query("dryRun") == "All";
    let written = inner.state.lock().write(&ask.of, &ask.key(&name), edit, writer, dry_run);
    inner.changed.send_modify(|it| *it += 1);
    let (code, object) = written?;
    Ok(shown(code, &ask.served(&object)))
}

/// What is sent must be of the type and in the namespace of the URL.
fn sound(ask: &Ask, mut object: Value, name: &str) -> Result<Value, Refusal> {
    let bad = |message: String| Err(Refusal::new(400, "BadRequest", message));
    if name.is_empty() {
        return Err(Refusal::new(
            422,
            "Invalid",
            "metadata.name: Required value: name or generateName",
        ));
    }
    let api_version = ask.of.api_version(&ask.version);
    if object["kind"] != ask.of.kind.as_str() || object["apiVersion"] != api_version {
        return bad(format!("expected {api_version} {}", ask.of.kind));
    }
    if ask.of.namespaced {
        let named = object["metadata"]["namespace"].as_str().unwrap_or(&ask.namespace);
        if named != ask.namespace {
            return bad("the namespace of the object does not match that on the request".to_owned());
        }
        object["metadata"]["namespace"] = ask.namespace.clone().into();
    }
    if ask.verb == "patch"
        && object["metadata"]["managedFields"].as_array().is_some_and(|it| !it.is_empty())
    {
        return bad("metadata.managedFields must be nil".to_owned());
    }
    Ok(object)
}

/// A watch: what is there or what happened since, then each change.
fn watch(inner: Arc<Inner>, ask: Ask) -> Answer {
    let state = inner.state.lock();
    let from = ask.query("resourceVersion").parse::<u64>().unwrap_or_default();
    let streams = ask.query("sendInitialEvents") == "true";
    let mut ready: VecDeque<Value> = VecDeque::new();
    let mut cursor = from;
    if from == 0 || streams {
        cursor = state.revision;
        for (_, object) in state.objects.iter().filter(|(key, object)| ask.is_wanted(key, object)) {
            ready.push_back(json!({ "type": "ADDED", "object": ask.served(object) }));
        }
        if streams {
            let mut bookmark = ask.served(&json!({}));
            bookmark["metadata"] = json!({
                "resourceVersion": cursor.to_string(),
                "annotations": { "k8s.io/initial-events-end": "true" },
            });
            ready.push_back(json!({ "type": "BOOKMARK", "object": bookmark }));
        }
    } else if from < state.floor {
        let message = format!("too old resource version: {from} ({})", state.floor);
        return expired(&Refusal::new(410, "Expired", message));
    }
    drop(state);
    let changed = inner.changed.subscribe();
    let cuts = *inner.cuts.lock();
    let stream = futures::stream::unfold(
        (inner, ask, ready, cursor, changed, cuts, false),
        |(inner, ask, mut ready, mut cursor, mut changed, cuts, ended)| async move {
            loop {
                if let Some(event) = ready.pop_front() {
                    let ends = event["type"] == "ERROR";
                    let mut line = event.to_string();
                    line.push('\n');
                    let frame = Ok(Frame::data(Bytes::from(line)));
                    return Some((frame, (inner, ask, ready, cursor, changed, cuts, ends)));
                }
                if ended {
                    return None;
                }
                let now = *inner.cuts.lock();
                if now.broken > cuts.broken {
                    return Some((Err(Broken), (inner, ask, ready, cursor, changed, now, true)));
                }
                if now.ended > cuts.ended {
                    return None;
                }
                changed.mark_unchanged();
                {
                    let state = inner.state.lock();
                    if cursor < state.floor {
                        let refusal = Refusal::new(410, "Expired", "too old resource version");
                        ready.push_back(json!({ "type": "ERROR", "object": refusal.body() }));
                    } else {
                        let news = state.history.iter().filter(|it| it.revision > cursor);
                        ready.extend(news.filter_map(|it| event(&ask, it)));
                        cursor = state.revision;
                    }
                }
                if ready.is_empty() && changed.changed().await.is_err() {
                    return None;
                }
            }
        },
    );
    let body = BodyExt::boxed_unsync(StreamBody::new(stream.boxed()));
    Response::builder().header("content-type", "application/json").body(body).unwrap()
}

/// A change as a watch with this selector sees it.
fn event(ask: &Ask, change: &Change) -> Option<Value> {
    let Change { kind, key, before, object, .. } = change;
    let is = ask.is_wanted(key, object);
    let was = before.as_ref().is_some_and(|it| ask.is_wanted(key, it));
    let kind = match (*kind, was, is) {
        ("DELETED", _, true) | (_, true, false) => "DELETED",
        (_, false, true) => "ADDED",
        (_, true, true) => "MODIFIED",
        _ => return None,
    };
    Some(json!({ "type": kind, "object": ask.served(object) }))
}

fn parsed(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .or_else(|_| serde_yaml::from_slice(body))
        .map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn plain(text: &'static str) -> Answer {
    Response::new(whole(Bytes::from_static(text.as_bytes())))
}

fn shown(code: u16, value: &Value) -> Answer {
    let body = whole(Bytes::from(value.to_string()));
    Response::builder().status(code).header("content-type", "application/json").body(body).unwrap()
}

/// A watch that cannot begin says so in its first event.
fn expired(refusal: &Refusal) -> Answer {
    shown(200, &json!({ "type": "ERROR", "object": refusal.body() }))
}

fn refused(refusal: &Refusal) -> Answer {
    shown(refusal.code, &refusal.body())
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|it: Infallible| match it {}).boxed_unsync()
}
