//! An etcd of three members of which some are lost: most go on.

use crate::support::{APIEXPORTS, Client, Etcd, Server, Watch, api_export, at, eventually};

/// The machine may be busy, and a leader that is elected for no reason helps nobody.
const RAFT: [&str; 2] = ["--heartbeat-interval=150", "--election-timeout=1500"];

fn exports() -> String {
    at("amber", "acme", APIEXPORTS)
}

fn start() -> ([Etcd; 3], Server) {
    let members = Etcd::start_cluster(&RAFT);
    let urls = members.each_ref().map(Etcd::url).join(",");
    let server = Server::start_with(&["--etcd-servers", &urls]);
    (members, server)
}

fn leader(members: &[Etcd; 3]) -> usize {
    eventually("a leader", || {
        members.iter().position(|it| it.status().is_some_and(|(_, leads)| leads))
    })
}

fn watch(client: &Client) -> Watch {
    let revision = client.get(exports()).object(200)["metadata"]["resourceVersion"].clone();
    let revision = revision.as_str().unwrap();
    client.watch(format!("{}?watch=true&resourceVersion={revision}", exports()))
}

/// Reads and writes what must be the newest, and is told of it; answers of doubt are
/// followed by others.
fn goes_on(client: &Client, watch: &mut Watch, name: &str) {
    eventually("a write", || {
        // One whose answer did not come may have been made.
        let status = client.post(exports(), &api_export(name)).status;
        matches!(status, 201 | 409).then_some(())
    });
    eventually("a read", || {
        let answer = client.get(format!("{}/{name}", exports()));
        (answer.status == 200).then_some(())
    });
    assert_eq!(watch.next_named().0, format!("ADDED {name}"));
}

#[test]
fn one_member_after_the_other_may_be_lost() {
    let (mut members, server) = start();
    let client = server.admin();
    let mut watch = watch(&client);
    for (number, lost) in members.iter_mut().enumerate() {
        lost.kill();
        goes_on(&client, &mut watch, &format!("without-{number}"));
        lost.start_again();
    }
    let lost = leader(&members);
    members[lost].kill();
    goes_on(&client, &mut watch, "without-a-leader");
    assert!(!server.said().contains("read anew"), "{}", server.said());
}

#[test]
fn a_leader_that_says_nothing_is_left_for_another_one() {
    let (members, server) = start();
    let client = server.admin();
    let mut watch = watch(&client);
    for round in 0..2 {
        let silent = leader(&members);
        members[silent].pause();
        goes_on(&client, &mut watch, &format!("without-leader-{round}"));
        members[silent].resume();
        goes_on(&client, &mut watch, &format!("with-leader-{round}"));
    }
    assert!(!server.said().contains("read anew"), "{}", server.said());
}

#[test]
fn without_most_of_them_nothing_is_promised() {
    let (members, server) = start();
    let client = server.admin();
    let mut watch = watch(&client);
    goes_on(&client, &mut watch, "one");
    members[0].pause();
    members[1].pause();
    eventually("a server that is not ready", || {
        (server.client_with(None).get("/readyz").status != 200).then_some(())
    });
    for refused in [client.get(exports()), client.post(exports(), &api_export("two"))] {
        assert!(matches!(refused.status, 503 | 504), "{refused}");
    }
    let any = client.get(format!("{}?resourceVersion=0", exports())).object(200);
    assert_eq!(any["items"][0]["metadata"]["name"], "one");
    members[0].resume();
    members[1].resume();
    eventually("a server that is ready again", || {
        (server.client_with(None).get("/readyz").status == 200).then_some(())
    });
    let list = eventually("a list", || {
        let list = client.get(exports());
        (list.status == 200).then(|| list.json())
    });
    // What was in doubt was made or not, and is told if it was.
    if list["items"].as_array().unwrap().len() > 1 {
        assert_eq!(watch.next_named().0, "ADDED two");
    } else {
        goes_on(&client, &mut watch, "three");
    }
}
