//! `kcpctl cache list` against a running server, as the administrator meets it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, CommandOutput, PATIENCE, ROLES, Server, Terminal, annotated, api_export, at, role,
};

/// `kcpctl cache list` with `args`, against `server`.
fn list(server: &Server, args: &[&str]) -> CommandOutput {
    let kubeconfig = server.kubeconfig("root", "root");
    let mut all = vec!["cache", "list", "--kubeconfig", kubeconfig.to_str().unwrap()];
    all.extend(args);
    server.env().run(all)
}

fn create(server: &Server, shard: &str, cluster: &str, object: &Value) {
    server.admin().post(at(shard, cluster, APIEXPORTS), object).object(201);
}

/// The lines of a table as words, without the columns that hold a time or a size.
fn words(text: &str, columns: usize) -> Vec<String> {
    let first = |line: &str| line.split_whitespace().take(columns).collect::<Vec<_>>().join(" ");
    text.lines().map(first).collect()
}

#[test]
fn everything_is_counted_by_resource_shard_and_cluster() {
    let server = Server::start();
    for (shard, cluster, name) in [("ca", "x", "one"), ("ca", "y", "two"), ("cb", "x", "three")] {
        create(&server, shard, cluster, &api_export(name));
    }
    let said = list(&server, &["--by", "shard,cluster"]);
    assert_eq!(
        words(&said.stdout, 3),
        [
            "SHARD CLUSTER OBJECTS",
            "ca x 1",
            "ca y 1",
            "cb x 1",
            "system:cache:server system:system-crds 23"
        ],
        "{said}"
    );
    assert!(said.stderr.starts_with("26 objects ("), "{said}");
    assert!(said.stderr.contains(" in 4 clusters of 3 shards, at resourceVersion "), "{said}");

    let counted = list(&server, &["--shard", "ca", "-o", "json"]).success();
    let counted: Value = serde_json::from_str(&counted).unwrap();
    let items = counted["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["resource"], json!("apiexports.apis.kcp.io"));
    assert_eq!((&items[0]["cluster"], &items[0]["count"]), (&json!("x"), &json!(1)));
    assert!(items[0]["bytes"].as_u64().unwrap() > 100, "{counted}");

    let nothing = list(&server, &["--shard", "nowhere"]);
    assert_eq!(
        nothing.to_string(),
        "--- stderr\nthe cache holds nothing on shard `nowhere`\n--- exit 0\n"
    );
}

#[test]
fn a_server_that_cannot_count_is_counted_by_listing() {
    let server = Server::start_cache_server();
    create(&server, "ca", "x", &api_export("one"));
    create(&server, "cb", "x", &api_export("two"));
    let said = list(&server, &["--by", "resource,shard"]);
    // How many definitions there are is the server's affair.
    assert_eq!(
        words(&said.stdout, 3)[..3],
        ["RESOURCE SHARD OBJECTS", "apiexports.apis.kcp.io ca 1", "apiexports.apis.kcp.io cb 1"],
        "{said}"
    );
    assert!(!said.stdout.contains("SIZE"), "{said}");
    let measured = list(&server, &["--bytes", "--by", "shard", "--cluster", "x"]);
    assert_eq!(words(&measured.stdout, 3)[0], "SHARD OBJECTS SIZE", "{measured}");
    assert_eq!(words(&measured.stdout, 2)[1..], ["ca 1", "cb 1"], "{measured}");

    let rows = list(&server, &["apiexports", "--shard", "cb"]).success();
    assert_eq!(words(&rows, 3), ["SHARD CLUSTER NAME", "cb x two"]);
}

#[test]
fn a_resource_is_listed_under_each_of_its_names() {
    let server = Server::shared();
    let mut object = annotated(api_export("listed"));
    object["metadata"]["labels"] = json!({"team": "storage"});
    object["metadata"]["annotations"]["cache.kcp.io/original-resource-version"] = json!("17");
    object["metadata"]["annotations"]["cache.kcp.io/original-resource-UID"] = json!("uid-17");
    create(&server, "list-names", "x", &object);
    create(&server, "list-names", "x", &api_export("other"));

    for name in
        ["apiexports", "APIExport", "apiexports.apis.kcp.io", "apiexports.v1alpha2.apis.kcp.io"]
    {
        let rows = list(&server, &[name, "--shard", "list-names"]).success();
        assert_eq!(
            words(&rows, 3),
            ["SHARD CLUSTER NAME", "list-names x listed", "list-names x other"],
            "{name}"
        );
    }
    let wide = list(&server, &["apiexports", "--shard", "list-names", "-l", "team", "-o", "wide"])
        .success();
    let lines: Vec<&str> = wide.lines().collect();
    assert!(lines[0].ends_with("   ORIGINAL-RV   ORIGINAL-UID"), "{wide}");
    assert!(lines[1].ends_with("   17            uid-17"), "{wide}");
    assert_eq!(lines.len(), 2, "{wide}");

    let names = list(&server, &["apiexports", "--shard", "list-names", "-o", "name"]).success();
    assert_eq!(names, "apiexport.apis.kcp.io/listed\napiexport.apis.kcp.io/other\n");
}

#[test]
fn namespaces_have_a_column_unless_one_is_chosen() {
    let server = Server::shared();
    for namespace in ["blue", "green"] {
        let path =
            at("list-namespaces", "x", ROLES).replace("/default/", &format!("/{namespace}/"));
        let mut object = role("r");
        object["metadata"]["namespace"] = json!(namespace);
        server.admin().post(path, &object).object(201);
    }
    let all = list(&server, &["roles", "--shard", "list-namespaces"]).success();
    assert_eq!(words(&all, 4)[1..], ["list-namespaces x blue r", "list-namespaces x green r"]);
    let one = list(&server, &["roles", "--shard", "list-namespaces", "-n", "green"]).success();
    assert_eq!(words(&one, 3), ["SHARD CLUSTER NAME", "list-namespaces x r"]);
}

#[test]
fn documents_hold_every_page_and_say_their_state() {
    let server = Server::shared();
    for index in 0..25 {
        create(&server, "list-pages", "x", &api_export(&format!("e{index:02}")));
    }
    let arguments =
        |format| ["apiexports", "--shard", "list-pages", "--chunk-size", "4", "-o", format];
    let text = list(&server, &arguments("json")).success();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let yaml: Value = serde_yaml::from_str(&list(&server, &arguments("yaml")).success()).unwrap();
    for document in [&whole, &yaml] {
        assert_eq!(document["kind"], json!("List"));
        assert_eq!(document["items"].as_array().unwrap().len(), 25);
        assert_eq!(document["items"][24]["metadata"]["name"], json!("e24"));
        let state: u64 = document["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(state > 0);
    }
    assert_eq!(whole["items"], yaml["items"]);

    let empty = ["apiexports", "--shard", "list-none", "-o", "json"];
    let empty: Value = serde_json::from_str(&list(&server, &empty).success()).unwrap();
    assert_eq!(empty["items"], json!([]));
    assert_eq!(
        list(&server, &["apiexports", "--shard", "list-none", "-l", "a=b"]).to_string(),
        "--- stderr\nno apiexports.apis.kcp.io found on shard `list-none` with labels `a=b`\n\
         --- exit 0\n"
    );
}

#[test]
fn no_more_than_a_page_is_asked_for_at_once() {
    let server = Server::start();
    for index in 0..25 {
        create(&server, "amber", "x", &api_export(&format!("e{index:02}")));
    }
    let lists = || {
        let text = server.admin().get("/metrics").text();
        let is_list = |line: &&str| {
            line.starts_with("apiserver_request_total{verb=\"LIST\"")
                && line.contains("resource=\"apiexports\"")
        };
        let line = text.lines().find(is_list);
        line.map_or(0, |it| it.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
    };
    for (format, pages) in [("table", 7), ("wide", 7), ("json", 7), ("yaml", 7), ("name", 7)] {
        let before = lists();
        list(&server, &["apiexports", "--chunk-size", "4", "-o", format]).success();
        assert_eq!(lists() - before, pages, "{format}");
    }
}

/// A running `kcpctl cache list --watch`, ended with the test.
struct Watching {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Watching {
    fn start(server: &Server, args: &[&str]) -> Self {
        let kubeconfig = server.kubeconfig("root", "root");
        let mut child = server
            .env()
            .command(env!("CARGO_BIN_EXE_kcpctl"))
            .args(["cache", "list", "--watch", "--kubeconfig"])
            .arg(kubeconfig)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let reader = BufReader::new(child.stdout.take().unwrap());
        let (lines_tx, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in reader.lines().map_while(Result::ok) {
                if lines_tx.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line; a test in which none comes fails.
    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The first words of the next line.
    #[track_caller]
    fn next(&self, count: usize) -> String {
        self.line().split_whitespace().take(count).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watch_goes_on_where_the_list_ended_also_after_a_restart() {
    let mut server = Server::start();
    create(&server, "amber", "x", &api_export("before"));
    let watching = Watching::start(&server, &["apiexports", "--shard", "amber"]);
    assert_eq!(watching.next(4), "EVENT SHARD CLUSTER NAME");
    assert_eq!(watching.next(4), "ADDED amber x before");

    create(&server, "amber", "x", &api_export("after"));
    assert_eq!(watching.next(4), "ADDED amber x after");
    create(&server, "other", "x", &api_export("elsewhere"));
    server.admin().delete(at("amber", "x", &format!("{APIEXPORTS}/before"))).object(200);
    assert_eq!(watching.next(4), "DELETED amber x before");

    assert!(server.stop().success());
    server.start_again();
    create(&server, "amber", "x", &api_export("again"));
    assert_eq!(watching.next(4), "ADDED amber x again");
}

#[test]
fn a_watch_in_json_is_one_event_a_line() {
    let server = Server::shared();
    create(&server, "list-events", "x", &api_export("before"));
    let watching = Watching::start(
        &server,
        &["apiexports", "--cluster", "x", "--shard", "list-events", "-o", "json"],
    );
    let event: Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("before"))
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let server = Server::shared();
    let padding = "x".repeat(20_000);
    for index in 0..20 {
        let mut object = api_export(&format!("e{index}"));
        object["metadata"]["annotations"] = json!({"padding": padding});
        create(&server, "list-pipe", "x", &object);
    }
    let kubeconfig = server.kubeconfig("root", "root");
    let mut child = server
        .env()
        .command(env!("CARGO_BIN_EXE_kcpctl"))
        .args(["cache", "list", "apiexports", "--shard", "list-pipe", "-o", "json", "--kubeconfig"])
        .arg(kubeconfig)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let said = CommandOutput::from(child.wait_with_output().unwrap());
    assert_eq!(said.to_string(), "--- exit 0\n");
}

#[test]
fn a_terminal_that_waits_is_told_for_what() {
    let server = Server::start_with(&["--synthetic-delay=1500ms"]);
    let kubeconfig = server.kubeconfig("root", "root");
    let list = format!("cache list apiexports --kubeconfig {}", kubeconfig.display());
    let terminal = Terminal::run(server.env(), &list);
    terminal.shows("listing apiexports");
    terminal.success();
    // Who does not look gets none of it.
    let said = server.env().run(list.split(' '));
    assert!(!said.stderr.contains("listing"), "{said}");
}
