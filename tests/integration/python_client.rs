//! The official Python client, which nobody here wrote: calls, a watch, discovery.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{CommandOutput, Server};

/// The Python environment that `make test` keeps beside what it builds.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("python/bin/python");
    assert!(python.exists(), "no {}: `make python` makes it", python.display());
    python
}

#[test]
fn the_python_client_creates_changes_watches_and_discovers() {
    let server = Server::shared();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/client.py");
    let kubeconfig = server.kubeconfig("root", "python");
    let said =
        CommandOutput::of(server.env().command(python()).arg("-u").arg(script).arg(kubeconfig));
    let steps: Vec<Value> =
        said.success().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected = [
        json!(["create", 1]),
        json!(["replace", 1]),
        json!(["conflict", [409, "Conflict"]]),
        json!(["patch", {"tier": "b"}]),
        json!(["page", [1, 1]]),
        json!(["selector", ["two"]]),
        json!(["watch", [["ADDED", "three"], ["DELETED", "one"]]]),
        json!(["discovery", ["shards", false]]),
        json!(["dynamic", ["three", "two"]]),
    ];
    assert_eq!(steps, expected);
}
