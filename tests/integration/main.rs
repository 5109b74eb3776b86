//! Every integration test, in one binary.
//!
//! Each file is a topic and declared here. The tests start the real executable and
//! speak to it over its real socket; `support` is the only code that knows how.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod authorization;
mod bad_input;
mod cache_list_objects;
mod cache_list_refusals;
mod certificates;
mod cluster_apply;
mod cluster_check;
mod cluster_delete;
mod cluster_itself;
mod cluster_status;
mod cluster_views;
mod completions;
mod contract;
mod control;
mod control_applies;
mod control_files;
mod control_kills;
mod control_kinds;
mod corpus;
mod crds;
mod definitions;
mod discovery;
mod disk_failures;
mod durability;
mod etcd_control;
mod etcd_failures;
mod etcd_members;
mod etcd_partitions;
mod etcd_put_back;
mod etcd_sharing;
mod faults;
mod fsck;
mod generated;
mod history;
mod http2;
mod init_files;
mod init_golden;
mod init_questions;
mod init_refusals;
mod issuer;
mod kube_client;
mod kubeconfig_create;
mod kubectl;
mod limits;
mod lists;
mod manifests;
mod metrics;
mod model;
mod objects;
mod paths;
mod presentation;
mod prune;
mod python_client;
mod reconcile;
mod recoveries;
mod render;
mod restarts;
mod scenarios;
mod serve;
mod short_lives;
mod snapshots;
mod support;
mod user_types;
mod user_types_extras;
mod validate;
mod watch_scripts;
mod watches;

#[test]
fn every_file_beside_this_one_is_declared() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration");
    let declared = std::fs::read_to_string(folder.join("main.rs")).unwrap();
    let forgotten: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "main.rs")
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .filter(|name| !declared.lines().any(|line| line == format!("mod {name};")))
        .collect();
    assert!(forgotten.is_empty(), "without a `mod` line in main.rs: {forgotten:?}");
}
