//! When etcd does not do what it should: reads go on as far as they are true, writes say
//! why not, readiness tells, and everything mends itself.

use serde_json::{Value, json};

use crate::support::{
    APIEXPORTS, Answer, CRDS, Client, Credentials, Etcd, Request, Server, TestEnv, api_export, at,
    eventually, new_authority, old_authority,
};

fn exports() -> String {
    at("amber", "acme", APIEXPORTS)
}

fn create(client: &Client, name: &str) -> Answer {
    client.post(exports(), &api_export(name))
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

/// Any state will do.
fn any_state(client: &Client) -> Value {
    client.get(format!("{}?resourceVersion=0", exports())).object(200)
}

fn is_ready(server: &Server) -> bool {
    server.client_with(None).get("/readyz").status == 200
}

#[test]
fn without_etcd_old_states_are_read_and_nothing_is_promised() {
    let mut etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let one = create(&client, "one").object(201);
    let revision = one["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion={revision}", exports()));
    etcd.kill();
    eventually("a server that is not ready", || (!is_ready(&server)).then_some(()));
    assert_eq!(server.client_with(None).get("/livez").status, 200, "a restart mends nothing");
    assert!(server.metric("kcpctl_store_up") < 0.5);
    for refused in [
        create(&client, "two"),
        client.delete(format!("{}/one", exports())),
        client.get(format!("{}/one", exports())),
        client.get(format!("{}/none", exports())),
        client.get(exports()),
        client.get(format!("{}?watch=true", exports())),
    ] {
        assert_eq!(refused.status, 503, "{refused}");
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(message.contains("connect"), "{message}");
    }
    assert_eq!(names(&any_state(&client)), ["one"]);
    let at_least = client.get(format!("{}?resourceVersion={revision}", exports()));
    assert_eq!(names(&at_least.object(200)), ["one"]);

    etcd.start_again();
    eventually("a server that is ready again", || is_ready(&server).then_some(()));
    create(&client, "three").object(201);
    // The watch was there all along; what was refused never was.
    assert_eq!(watch.next_named().0, "ADDED three");
    assert_eq!(names(&client.get(exports()).object(200)), ["one", "three"]);
}

#[test]
fn an_etcd_that_says_nothing_is_noticed_and_nothing_is_done_twice() {
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &["--etcd-healthcheck-timeout=500ms"]);
    let client = server.admin();
    create(&client, "one").object(201);
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion=0", exports()));
    assert_eq!(watch.next_named().0, "ADDED one");
    etcd.pause();
    // It is under way when nobody knows yet, and may be made later.
    let doubtful = create(&client, "two");
    assert!(matches!(doubtful.status, 503 | 504), "{doubtful}");
    eventually("a server that is not ready", || (!is_ready(&server)).then_some(()));
    assert_eq!(names(&any_state(&client)), ["one"]);
    etcd.resume();
    eventually("a server that is ready again", || is_ready(&server).then_some(()));
    eventually("a write", || (create(&client, "three").status == 201).then_some(()));
    let list = client.get(exports()).object(200);
    let mut told = vec!["one".to_owned()];
    while told.last().is_none_or(|last| last != "three") {
        let (event, object) = watch.next_named();
        assert!(event.starts_with("ADDED"), "{event}");
        told.push(object["metadata"]["name"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(names(&list), told);
}

#[test]
fn a_full_etcd_refuses_writes_and_serves_reads() {
    let etcd = Etcd::start_with(&["--quota-backend-bytes=4194304"]);
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    create(&client, "one").object(201);
    let block = vec![b'x'; 512 << 10];
    eventually("a full etcd", || (!etcd.has_room_for("/other/block", &block)).then_some(()));
    let refused = create(&client, "two");
    assert_eq!(refused.status, 503, "{refused}");
    assert!(refused.text().contains("NOSPACE"), "{refused}");
    eventually("a server that is not ready", || (!is_ready(&server)).then_some(()));
    assert_eq!(names(&client.get(exports()).object(200)), ["one"]);
    etcd.make_room();
    eventually("a server that is ready again", || is_ready(&server).then_some(()));
    create(&client, "two").object(201);
}

/// etcd makes a write that it let in before it was full, and refuses it all the same.
#[test]
fn what_a_full_etcd_refuses_is_not_there_and_what_is_there_was_not_refused() {
    const CLIENTS: usize = 40;
    const ROUNDS: usize = 3;
    let etcd = Etcd::start_with(&["--quota-backend-bytes=8388608"]);
    let server = Server::start_on(&etcd, &[]);
    let fill = |number: usize| {
        let client = server.admin();
        let mut statuses = Vec::new();
        while statuses.last().is_none_or(|(_, status)| *status == 201) {
            let name = format!("long-{number}-{}", statuses.len());
            let mut object = api_export(&name);
            object["spec"] = json!({"text": "x".repeat(100_000)});
            let answer = client.post(exports(), &object);
            assert!(matches!(answer.status, 201 | 503 | 504), "{answer}");
            statuses.push((name, answer.status));
        }
        statuses
    };
    let fill = &fill;
    let client = server.admin();
    for _ in 0..ROUNDS {
        let statuses: Vec<(String, u16)> = std::thread::scope(|scope| {
            let all: Vec<_> =
                (0..CLIENTS).map(|number| scope.spawn(move || fill(number))).collect();
            all.into_iter().flat_map(|it| it.join().unwrap()).collect()
        });
        let list = client.get(exports()).object(200);
        let there = names(&list);
        for (name, status) in &statuses {
            let is_there = there.contains(&&**name);
            assert!(*status == 504 || is_there == (*status == 201), "{name} {status} {is_there}");
        }
        // What makes room goes on.
        client.send(&Request::new("DELETE", exports())).object(200);
        etcd.make_room();
        eventually("a server that is ready again", || is_ready(&server).then_some(()));
    }
}

#[test]
fn an_object_that_etcd_does_not_take_is_refused_with_the_limit() {
    let etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    // Over the limit on requests, and over that on messages, which is another one.
    for bytes in [1_600_000, 2_500_000] {
        let mut object = api_export("long");
        object["spec"] = json!({"text": "x".repeat(bytes)});
        let refused = client.post(exports(), &object);
        assert_eq!(refused.status, 413, "{bytes}");
        let said = refused.text();
        assert!(said.contains("--max-request-bytes") && said.contains("1572864"), "{said}");
    }
    // One that fits takes the whole way, over the client's own limits too.
    let mut object = api_export("fits");
    object["spec"] = json!({"text": "x".repeat(1_400_000)});
    for number in 0..6 {
        object["metadata"]["name"] = json!(format!("fits-{number}"));
        client.post(exports(), &object).object(201);
    }
    drop(server);
    let server = Server::start_on(&etcd, &[]);
    assert_eq!(names(&any_state(&server.admin())).len(), 6);
}

/// Somebody put an older state of etcd back, or a new one in its place.
#[test]
fn an_etcd_that_went_back_is_read_anew() {
    let mut etcd = Etcd::start();
    let server = Server::start_on(&etcd, &[]);
    let client = server.admin();
    let list = client.get(exports()).object(200);
    let revision = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = client.watch(format!("{}?watch=true&resourceVersion={revision}", exports()));
    create(&client, "lost").object(201);
    assert_eq!(watch.next_named().0, "ADDED lost");
    etcd.kill();
    etcd.start_anew();
    // Whoever watched is sent to list again, and finds what there is.
    let event = watch.next();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    eventually("an empty list", || {
        let list = client.get(exports());
        (list.status == 200 && names(&list.json()).is_empty()).then_some(())
    });
    assert!(server.said().contains("gone back"), "{}", server.said());
    create(&client, "new").object(201);
    assert_eq!(names(&client.get(exports()).object(200)), ["new"]);
    // The definitions are made again, for all servers that share it.
    let definitions = at("*", "*", CRDS);
    let other = Server::start_on(&etcd, &[]);
    let all = names(&other.admin().get(&definitions).object(200)).len();
    assert!(all > 20, "{all}");
    let here = client.get(&definitions).object(200);
    assert_eq!(names(&here).len(), all);
}

#[test]
fn certificates_of_etcd_are_checked_and_read_again() {
    let env = TestEnv::new();
    let issue = |authority: &str| {
        let ca = new_authority(authority);
        let server = Credentials::of_server(&ca);
        let client = Credentials::signed_by(&ca, "kcpctl", &[]);
        for (name, content) in [
            ("ca.crt", ca.cert_pem()),
            ("server.crt", server.cert_pem),
            ("server.key", server.key_pem),
            ("client.crt", client.cert_pem),
            ("client.key", client.key_pem),
        ] {
            env.write(name, content);
        }
    };
    issue("first");
    let path = |name: &str| env.path(name).display().to_string();
    let mut etcd = Etcd::start_with(&[
        &format!("--cert-file={}", path("server.crt")),
        &format!("--key-file={}", path("server.key")),
        &format!("--trusted-ca-file={}", path("ca.crt")),
        "--client-cert-auth",
    ]);
    let server = Server::start_on(
        &etcd,
        &[
            "--etcd-cafile",
            &path("ca.crt"),
            "--etcd-certfile",
            &path("client.crt"),
            "--etcd-keyfile",
            &path("client.key"),
        ],
    );
    let client = server.admin();
    create(&client, "one").object(201);
    // Another CA signs for both sides from now on.
    etcd.kill();
    issue("second");
    etcd.start_again();
    eventually("a write", || (create(&client, "two").status == 201).then_some(()));
    assert!(server.said().contains("etcd's certificates have changed"), "{}", server.said());
    // And one that it does not know is refused by both.
    env.write("ca.crt", new_authority("third").cert_pem());
    etcd.kill();
    etcd.start_again();
    eventually("a server that is not ready", || (!is_ready(&server)).then_some(()));
    let refused = client.send(&Request::new("GET", exports()));
    assert_eq!(refused.status, 503, "{refused}");
}

#[test]
fn a_certificate_that_has_expired_is_said_and_mended_without_a_restart() {
    let env = TestEnv::new();
    let ca = old_authority("etcd");
    let client = Credentials::signed_by(&ca, "kcpctl", &[]);
    let server = Credentials::of_server(&ca);
    let [old_client, old_server] = Credentials::expired(&ca, "old");
    let show = |side: &str, it: &Credentials| {
        env.write(format!("{side}.key"), &it.key_pem);
        env.write(format!("{side}.crt"), &it.cert_pem);
    };
    env.write("ca.crt", ca.cert_pem());
    show("client", &client);
    show("server", &server);
    let path = |name: &str| env.path(name).display().to_string();
    let mut etcd = Etcd::start_with(&[
        &format!("--cert-file={}", path("server.crt")),
        &format!("--key-file={}", path("server.key")),
        &format!("--trusted-ca-file={}", path("ca.crt")),
        "--client-cert-auth",
    ]);
    let files = ["ca", "cert", "key"];
    let files = files.iter().zip(["ca.crt", "client.crt", "client.key"]);
    let flags: Vec<String> =
        files.map(|(flag, file)| format!("--etcd-{flag}file={}", path(file))).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let replica = Server::start_on(&etcd, &flags);
    let admin = replica.admin();
    create(&admin, "one").object(201);
    let says_expired = |refused: &Answer| {
        assert_eq!(refused.status, 503, "{refused}");
        refused.text().contains("expired")
    };
    let refuses = |name: &str| {
        eventually("a server that is not ready", || (!is_ready(&replica)).then_some(()));
        eventually("a refusal that says why", || {
            [create(&admin, name), admin.get(exports())].iter().all(says_expired).then_some(())
        });
        assert_eq!(names(&any_state(&admin)), ["one"]);
    };
    show("client", &old_client);
    refuses("never");
    show("client", &client);
    eventually("a server that is ready again", || is_ready(&replica).then_some(()));

    show("server", &old_server);
    etcd.kill();
    etcd.start_again();
    refuses("never");
    show("server", &server);
    eventually("a server that is ready again", || is_ready(&replica).then_some(()));
    create(&admin, "two").object(201);
    assert_eq!(names(&admin.get(exports()).object(200)), ["one", "two"]);
}
