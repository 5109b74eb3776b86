//! A cluster's API server in this process, for tests of what talks to one.
//!
//! [`Cluster::start`] serves plain HTTP on a free port of the loopback address until it is
//! dropped. It keeps objects of any type in memory and behaves as kube-apiserver does where a
//! client can tell: discovery; get, list, watch (from a revision, `sendInitialEvents`, 410),
//! create, update, merge patch, JSON patch and **server-side apply** with `managedFields`, one
//! entry a manager, and conflicts over a field that another manager owns; dry runs; the status
//! subresource and generations; finalizers, propagation to what an object owns, to what is in a
//! namespace and to the objects of a definition; uids and resource versions and their
//! preconditions; label selectors; `SelfSubjectAccessReview`. A `CustomResourceDefinition` adds
//! its type.
//!
//! A test arranges and looks by the side door, which no fault and no permission concerns:
//!
//! ```ignore
//! let cluster = Cluster::start();
//! cluster.put(&json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { … } })); // as `manager`
//! cluster.set_status("deployments.apps", "demo", "root-kcp", &json!({ "readyReplicas": 1 }));
//! cluster.deny("patch", "shards");
//! cluster.fail(Fault::on("PATCH", "/shards/").with(Effect::Refuse { code: 503, retry_after: None }));
//! env.run(["apply", "--kubeconfig", &cluster.kubeconfig(&env), "-f", "demo"]);
//! assert_eq!(cluster.get("shards.operator.kcp.io", "demo", "one").unwrap()["spec"]["replicas"], 3);
//! ```
//!
//! A client in this process takes [`Cluster::config`].
//!
//! # What is absent on purpose
//!
//! * No controllers: no pod ever runs, no Certificate is issued. A test says what they would have
//!   done. The exceptions are the collection of what an object owned, which happens at once (what
//!   is made for an owner that is gone already stays until [`Cluster::collect`]), and definitions, which are established at once unless [`Cluster::hold_definitions`] was called.
//! * No schemas: nothing is validated, pruned or defaulted.
//! * No authentication: whoever comes is an administrator, but for what [`Cluster::deny`] denies.
//! * Pages of a list are not of one moment; no strategic merge patches; no `Table`.

mod demo;
mod fields;
mod http;
mod installed;
mod state;
mod types;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use demo::Demo;

use super::TestEnv;
use super::etcd::RUNTIME;
use fields::Writer;
use state::{Edit, Key, Refusal, State};
use types::Type;

/// The manager of what a test puts in by the side door.
pub const OTHERS: &str = "others";

/// A cluster that vanishes with the test.
pub struct Cluster {
    inner: Arc<Inner>,
    address: SocketAddr,
    task: AbortHandle,
}

struct Inner {
    state: Mutex<State>,
    /// Counts anything that a watch could wait for.
    changed: watch::Sender<u64>,
    requests: Mutex<Vec<Requested>>,
    faults: Mutex<Vec<Fault>>,
    denied: Mutex<Vec<(String, String)>>,
    cuts: Mutex<Cuts>,
}

#[derive(Clone, Copy, Default)]
struct Cuts {
    ended: u64,
    broken: u64,
    /// How many answers were held back since the last release.
    held: usize,
    released: u64,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Requested {
    /// Such as `PATCH`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The parameters, decoded.
    pub query: HashMap<String, String>,
    /// The media type of the body.
    pub content_type: String,
    /// The body as a tree; null if there was none.
    pub body: Value,
}

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It is answered with this code, and nothing is done.
    Refuse {
        /// Such as 429, 500 or 503.
        code: u16,
        /// Seconds for the header `Retry-After`.
        retry_after: Option<u64>,
    },
    /// It is answered with 410: what it rests on is gone.
    Expire,
    /// The connection breaks before anything is done.
    Break,
    /// The connection breaks after all was done, before the answer.
    BreakAfterwards,
    /// No answer ever comes, and nothing is done.
    Hang,
    /// All is done, and the answer warns of this.
    Warn(&'static str),
    /// All is done, and the answer comes when [`Cluster::release`] is called.
    Hold,
}

/// Which requests go wrong, how, and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    method: String,
    path: String,
    effect: Effect,
    /// How many requests go well before.
    after: usize,
    times: usize,
}

impl Fault {
    /// The next request with this method (`WATCH` for a watch, empty for any) whose path has
    /// this part is refused with 503.
    pub fn on(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            effect: Effect::Refuse { code: 503, retry_after: None },
            after: 0,
            times: 1,
        }
    }

    /// The same with another effect.
    pub fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }

    /// The same after so many requests went well.
    pub fn after(self, after: usize) -> Self {
        Self { after, ..self }
    }

    /// The same for so many requests.
    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

impl Cluster {
    /// An empty cluster: two namespaces, `default` and `kube-system`, and no definition.
    pub fn start() -> Self {
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new()),
            changed: watch::Sender::new(0),
            requests: Mutex::default(),
            faults: Mutex::default(),
            denied: Mutex::default(),
            cuts: Mutex::default(),
        });
        let _runtime = RUNTIME.enter();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let task = RUNTIME.spawn(serve(listener, Arc::clone(&inner))).abort_handle();
        Self { inner, address, task }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Writes a kubeconfig that leads here, and answers with its path.
    pub fn kubeconfig(&self, env: &TestEnv) -> String {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: \"{}\"}}}}]\n\
             users: [{{name: test, user: {{}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n",
            self.url()
        );
        env.write("cluster.kubeconfig", text).display().to_string()
    }

    /// The way here for a client in this process.
    pub fn config(&self) -> kube::Config {
        kube::Config::new(self.url().parse().unwrap())
    }

    /// Every object of a type, such as `secrets` or `shards.operator.kcp.io`.
    pub fn list(&self, of: &str) -> Vec<Value> {
        let (plural, group) = of.split_once('.').unwrap_or((of, ""));
        let state = self.inner.state.lock();
        let found = state.objects.iter().filter(|it| it.0.0 == group && it.0.1 == plural);
        found.map(|it| it.1.clone()).collect()
    }

    /// One object; the namespace is empty for types without.
    pub fn get(&self, of: &str, namespace: &str, name: &str) -> Option<Value> {
        self.inner.state.lock().objects.get(&key(of, namespace, name)).cloned()
    }

    /// Creates or replaces an object as [`OTHERS`]; its status too. Its type must be known.
    pub fn put(&self, object: &Value) -> Value {
        self.put_as(OTHERS, object)
    }

    /// The same as another manager.
    pub fn put_as(&self, manager: &str, object: &Value) -> Value {
        let now = self.inner.now();
        let mut state = self.inner.state.lock();
        let key = put(&mut state, manager, object, &now);
        let stored = state.objects[&key].clone();
        drop(state);
        self.wake();
        stored
    }

    /// Sets an object's status, as its controller would.
    pub fn set_status(&self, of: &str, namespace: &str, name: &str, status: &Value) {
        let (key, now) = (key(of, namespace, name), self.inner.now());
        let mut state = self.inner.state.lock();
        let of = state.types.iter().find(|it| it.group == key.0 && it.plural == key.1).cloned();
        set_status(&mut state, &of.unwrap(), &key, status, "controller", &now);
        drop(state);
        self.wake();
    }

    /// Deletes an object; one with finalizers stays until they are gone.
    pub fn delete(&self, of: &str, namespace: &str, name: &str) {
        let now = self.inner.now();
        self.inner.state.lock().delete(&key(of, namespace, name), false, &now);
        self.wake();
    }

    /// Puts one object in and then another, with nobody looking in between.
    pub fn replace(&self, one: &Value, two: &Value) {
        let now = self.inner.now();
        let mut state = self.inner.state.lock();
        for object in [one, two] {
            put(&mut state, OTHERS, object, &now);
        }
        drop(state);
        self.wake();
    }

    /// Deletes what was made for owners that were gone by then, as a collector does in time.
    pub fn collect(&self) {
        let now = self.inner.now();
        self.inner.state.lock().collect(&now);
        self.wake();
    }

    /// From now on definitions wait for [`Cluster::establish`].
    pub fn hold_definitions(&self) {
        self.inner.state.lock().holds_definitions = true;
    }

    /// Establishes a definition.
    pub fn establish(&self, crd: &str) {
        let now = self.inner.now();
        self.inner.state.lock().establish(crd, &now);
        self.wake();
    }

    /// The requests that came, in their order.
    pub fn requests(&self) -> Vec<Requested> {
        self.inner.requests.lock().clone()
    }

    /// The requests since the last call.
    pub fn take_requests(&self) -> Vec<Requested> {
        std::mem::take(&mut *self.inner.requests.lock())
    }

    /// Nobody may do this from now on: a verb and a plural (or `plural/status`), either `*`.
    pub fn deny(&self, verb: &str, resource: &str) {
        self.inner.denied.lock().push((verb.to_owned(), resource.to_owned()));
    }

    /// Lets everybody do everything again.
    pub fn allow_all(&self) {
        self.inner.denied.lock().clear();
    }

    /// Makes requests go wrong. Faults are looked at in the order in which they were named.
    pub fn fail(&self, fault: Fault) {
        self.inner.faults.lock().push(fault);
    }

    /// How many answers are held back.
    pub fn held(&self) -> usize {
        self.inner.cuts.lock().held
    }

    /// Sends every answer that is held back.
    pub fn release(&self) {
        let mut cuts = self.inner.cuts.lock();
        cuts.held = 0;
        cuts.released += 1;
        drop(cuts);
        self.wake();
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.inner.faults.lock().clear();
    }

    /// Forgets the history: a watch that resumes, or did not keep up, is told 410.
    pub fn compact(&self) {
        let mut state = self.inner.state.lock();
        // The next revision, so that a watch that stands at this one has fallen off too.
        state.revision += 1;
        state.floor = state.revision;
        state.history.clear();
        drop(state);
        self.wake();
    }

    /// Ends every watch, as a server does after a while.
    pub fn end_watches(&self) {
        self.inner.cuts.lock().ended += 1;
        self.wake();
    }

    /// Breaks the connection of every watch.
    pub fn break_watches(&self) {
        self.inner.cuts.lock().broken += 1;
        self.wake();
    }

    fn wake(&self) {
        self.inner.changed.send_modify(|it| *it += 1);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.task.abort();
        // Watches that are open end.
        self.end_watches();
    }
}

fn key(of: &str, namespace: &str, name: &str) -> Key {
    let (plural, group) = of.split_once('.').unwrap_or((of, ""));
    (group.to_owned(), plural.to_owned(), namespace.to_owned(), name.to_owned())
}

fn put(state: &mut State, manager: &str, object: &Value, now: &str) -> Key {
    let of = state.type_of(object);
    let of = of.unwrap_or_else(|| panic!("nobody defined the type of {object}"));
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    let key = (
        of.group.clone(),
        of.plural.clone(),
        text(&metadata["namespace"]),
        text(&metadata["name"]),
    );
    let writer = Writer { manager, subresource: "", now };
    let edit = match state.objects.get(&key) {
        Some(live) => {
            let mut object = object.clone();
            object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            Edit::Replace(object)
        }
        None => Edit::Create(object.clone()),
    };
    state.write(&of, &key, edit, writer, false).unwrap_or_else(|it| panic!("{it:?}"));
    if let (true, Some(status)) = (of.status, object.get("status")) {
        set_status(state, &of, &key, status, manager, now);
    }
    key
}

fn set_status(state: &mut State, of: &Type, key: &Key, status: &Value, manager: &str, now: &str) {
    let patch = |live: &Value| {
        let mut next = live.clone();
        next["status"] = status.clone();
        Ok(next)
    };
    let writer = Writer { manager, subresource: "status", now };
    state.write(of, key, Edit::Patch(&patch), writer, false).unwrap_or_else(|it| panic!("{it:?}"));
}

impl Inner {
    /// A second later with every revision: tests compare texts, and no clock.
    fn now(&self) -> String {
        let seconds = i64::try_from(self.state.lock().revision).unwrap_or_default();
        let time = jiff::Timestamp::from_second(1_767_225_600 + seconds).unwrap();
        time.to_string()
    }

    fn fault(&self, method: &str, path: &str, query: &HashMap<String, String>) -> Option<Effect> {
        let watches = query.get("watch").is_some_and(|it| it == "true" || it == "1");
        let method = if watches { "WATCH" } else { method };
        let mut faults = self.faults.lock();
        let index = faults.iter().position(|it| {
            (it.method.is_empty() || it.method == method) && path.contains(&it.path)
        })?;
        if faults[index].after > 0 {
            faults[index].after -= 1;
            return None;
        }
        faults[index].times -= 1;
        let effect = faults[index].effect;
        if faults[index].times == 0 {
            faults.remove(index);
        }
        Some(effect)
    }

    fn may(&self, verb: &str, resource: &str, subresource: &str) -> bool {
        let resource = match subresource {
            "" => resource.to_owned(),
            subresource => format!("{resource}/{subresource}"),
        };
        !self
            .denied
            .lock()
            .iter()
            .any(|(denied, of)| (denied == "*" || denied == verb) && (of == "*" || *of == resource))
    }

    fn permit(&self, verb: &str, of: &Type, subresource: &str) -> Result<(), Refusal> {
        if self.may(verb, &of.plural, subresource) {
            return Ok(());
        }
        let message = format!(
            "{} is forbidden: User \"somebody\" cannot {verb} resource {:?} in API group {:?}",
            of.name(),
            of.plural,
            of.group
        );
        Err(Refusal::new(403, "Forbidden", message))
    }
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let inner = Arc::clone(&inner);
        connections.spawn(async move {
            let service = service_fn(move |request| http::answer(Arc::clone(&inner), request));
            // A client that leaves is nobody's failure.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}
