//! The inputs that fuzzing found worth keeping, run again as plain tests.

use std::path::Path;

#[path = "../../fuzz/checks.rs"]
mod checks;

fn run(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        inputs += 1;
    }
    assert!(inputs > 0, "the corpus of {target} is empty");
}

#[test]
fn paths() {
    run("path", checks::path);
}

#[test]
fn selectors() {
    run("selector", checks::selector);
}

#[test]
fn tokens() {
    run("token", checks::token);
}

#[test]
fn json() {
    run("json", checks::json);
}

#[test]
fn bodies() {
    run("body", checks::body);
}
