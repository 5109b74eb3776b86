//! Answers for people and for far-away clients: indented, as YAML, compressed.

use std::io::Read as _;

use serde_json::Value;

use crate::support::{APIEXPORTS, Request, Server, api_export, at};

fn get(server: &Server, target: &str, headers: &[(&str, &str)]) -> crate::support::Answer {
    let request = Request::new("GET", target);
    server.admin().send(&headers.iter().fold(request, |it, (name, value)| it.header(name, value)))
}

#[test]
fn the_same_answer_comes_as_lines_and_as_yaml() {
    for server in [Server::shared(), Server::shared_cache_server()] {
        let exports = at("amber", "presentation", APIEXPORTS);
        server.admin().post(&exports, &api_export("one")).object(201);
        let one = format!("{exports}/one");
        for target in [&exports, &one, &at("amber", "presentation", "apis/apis.kcp.io/v1alpha1")] {
            let plain = server.admin().get(target).json();
            let pretty = get(&server, &format!("{target}?pretty=true"), &[]);
            assert_eq!(pretty.header("content-type"), Some("application/json"));
            assert_eq!(pretty.json(), plain, "{pretty}");
            assert!(pretty.text().starts_with("{\n  \""), "{pretty}");
            let curl = get(&server, target, &[("user-agent", "curl/8.0")]);
            assert_eq!(curl.text(), pretty.text());
            let yaml = get(&server, target, &[("accept", "application/yaml")]);
            assert_eq!(yaml.header("content-type"), Some("application/yaml"), "{yaml}");
            assert_eq!(serde_yaml::from_str::<Value>(&yaml.text()).unwrap(), plain, "{yaml}");
        }
        // Refusals, too.
        let gone = get(&server, &format!("{exports}/gone"), &[("accept", "application/yaml")]);
        assert_eq!(gone.status, 404);
        assert!(gone.text().contains("\nreason: NotFound\n"), "{gone}");
        let gone = get(&server, &format!("{exports}/gone"), &[("user-agent", "curl/8.0")]);
        assert!(gone.text().contains("\n  \"reason\": \"NotFound\",\n"), "{gone}");
        // A watch is one line an event, however it is asked for, and never YAML.
        let watch = Request::new("GET", format!("{exports}?watch=1&pretty=1&resourceVersion=0"));
        assert_eq!(server.admin().watch_with(&watch).next()["type"], "ADDED");
        let yaml = get(&server, &format!("{exports}?watch=1"), &[("accept", "application/yaml")]);
        assert_eq!(yaml.status, 406, "{yaml}");
    }
}

#[test]
fn a_write_is_answered_in_yaml_too() {
    let server = Server::shared();
    let exports = at("amber", "presentation-writes", APIEXPORTS);
    let body = "apiVersion: apis.kcp.io/v1alpha1\nkind: APIExport\nmetadata:\n  name: one\n";
    let request = Request::new("POST", &exports)
        .header("accept", "application/yaml")
        .header("content-type", "application/yaml")
        .body(body);
    let created = server.admin().send(&request);
    assert_eq!(created.status, 201, "{created}");
    let read: Value = serde_yaml::from_str(&created.text()).unwrap();
    assert_eq!(read["metadata"]["name"], "one");
    assert!(created.text().starts_with("apiVersion: apis.kcp.io/v1alpha1\nkind: APIExport\n"));
}

#[test]
fn large_lists_are_compressed_for_who_asks_and_is_far_away() {
    let everyone = Server::start_with(&["--gzip=always"]);
    let far_ones = Server::start();
    let exports = at("amber", "acme", APIEXPORTS);
    for server in [&everyone, &far_ones] {
        for index in 0..40 {
            let mut export = api_export(&format!("e{index:02}"));
            export["spec"]["padding"] = Value::from("x".repeat(4 << 10));
            server.admin().post(&exports, &export).object(201);
        }
    }
    let gzip = [("accept-encoding", "gzip")];
    let plain = get(&everyone, &exports, &[]);
    assert_eq!(plain.header("content-encoding"), None);
    let packed = get(&everyone, &exports, &gzip);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 4 < plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body);
    // Small ones are not worth it, nor are those that never leave this machine.
    let small = get(&everyone, &format!("{exports}/e00"), &gzip);
    assert_eq!(small.header("content-encoding"), None);
    assert_eq!(get(&far_ones, &exports, &gzip).header("content-encoding"), None);
}
