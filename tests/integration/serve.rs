//! `kcpctl cache serve` beyond its requests: what it says, whom it speaks TLS with, what
//! it renews, and how it is told to end.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use kcpctl::pki::{Authority, Leaf, San, Validity};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{APIEXPORTS, CommandOutput, Server, at, eventually};

#[test]
fn a_first_start_says_where_it_listens_and_what_to_try() {
    let server = Server::start();
    let url = format!("https://localhost:{}", server.address().port());
    let kubeconfig = server.data_dir().join("admin.kubeconfig");
    let shown = kubeconfig.display();
    let said = server.said();
    for line in [
        format!("serving on   {url}"),
        format!("kubeconfig   {shown}"),
        format!("try          kcpctl cache list --kubeconfig {shown}"),
        "end with Ctrl-C".to_owned(),
    ] {
        assert!(said.lines().any(|it| it == line), "`{line}` is not in\n{said}");
    }
    // What it tells the user to try does work.
    let tried = said.lines().find_map(|it| it.strip_prefix("try          kcpctl ")).unwrap();
    let listed = server.env().run(tried.split(' '));
    assert_eq!(listed.code, Some(0), "{listed}");
    assert!(listed.stderr.starts_with("23 objects ("), "{listed}");
}

#[test]
fn a_log_for_machines_is_one_object_a_line() {
    let server = Server::start_with(&["--log-format", "json"]);
    let said = server.said();
    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let serving = lines.iter().find(|it| it["message"] == "serving").unwrap();
    assert_eq!(serving["level"], "INFO");
    assert_eq!(serving["url"], format!("https://localhost:{}", server.address().port()));
    assert!(serving["timestamp"].is_string(), "{serving}");
}

#[test]
fn a_v_shows_more() {
    let has_debug = |server: &Server| server.said().lines().any(|line| line.contains("DEBUG"));
    let (quiet, verbose) = (Server::start(), Server::start_with(&["-v"]));
    for server in [&quiet, &verbose] {
        // Somebody who goes away in the handshake is worth a line of detail.
        drop(std::net::TcpStream::connect(server.address()).unwrap());
    }
    eventually("a line of detail", || has_debug(&verbose).then_some(()));
    assert!(!has_debug(&quiet), "{}", quiet.said());
}

#[test]
fn tls_1_2_and_1_3_are_spoken_with_a_certificate_and_nothing_older() {
    let server = Server::shared();
    let credentials = server.credentials("somebody", &["kcpctl:reader"]);
    let env = crate::support::TestEnv::new();
    env.write("ca.crt", server.ca_pem());
    env.write("client.pem", format!("{}{}", credentials.cert_pem, credentials.key_pem));
    let ask = |version: &str| {
        let mut child = env
            .command("openssl")
            .args(["s_client", "-quiet", "-connect", &server.address().to_string(), version])
            .args(["-servername", "localhost", "-verify_hostname", "localhost"])
            .args(["-CAfile", "ca.crt", "-verify_return_error"])
            .args(["-cert", "client.pem", "-key", "client.pem"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let request = "GET /kcpctl/v1alpha1/whoami HTTP/1.1\r\nHost: localhost\r\n\
                       Connection: close\r\n\r\n";
        // A handshake that failed has nobody to read this.
        let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
        CommandOutput::from(child.wait_with_output().unwrap())
    };
    for version in ["-tls1_2", "-tls1_3"] {
        let said = ask(version);
        assert!(said.stdout.starts_with("HTTP/1.1 200 OK\r\n"), "{version}: {said}");
        assert!(said.stdout.contains(r#""user":"somebody""#), "{version}: {said}");
    }
    let said = ask("-tls1_1");
    assert_eq!(said.stdout, "", "{said}");
}

#[test]
fn the_serving_certificate_is_renewed_while_the_server_runs() {
    let mut server = Server::start();
    assert!(server.stop().success());
    let file = |name: &str| server.data_dir().join(name);
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    // One whose half life is over soon after the start: it runs out in 20 s.
    let ca = Authority::from_pem(&read("ca.crt"), &read("ca.key")).unwrap();
    let sans: Vec<San> = ["localhost", "127.0.0.1", "::1"].map(|it| it.parse().unwrap()).into();
    let leaf = Leaf::Server { name: "kcpctl cache server", sans: &sans };
    let life = Duration::from_secs(20);
    let short = ca.issue(leaf, Validity::starting(SystemTime::now(), life).unwrap()).unwrap();
    let short_pem = format!("{}{}", short.cert_pem, ca.cert_pem());
    std::fs::write(file("apiserver.crt"), &short_pem).unwrap();
    std::fs::write(file("apiserver.key"), &short.key_pem).unwrap();
    server.start_again();
    let renewed = eventually("another certificate in the directory", || {
        let pem = std::fs::read_to_string(server.data_dir().join("apiserver.crt")).ok()?;
        (pem != short_pem).then_some(pem)
    });
    assert_eq!(
        std::fs::read_to_string(server.data_dir().join("apiserver.key")).unwrap(),
        short.key_pem,
        "the key stays"
    );
    // And new connections get it, without a restart.
    let shown = |pem: &str| pem.lines().skip(1).take(5).collect::<Vec<_>>().join("\n");
    eventually("another certificate in the handshake", || {
        let said = CommandOutput::of(server.env().command("openssl").args([
            "s_client",
            "-connect",
            &server.address().to_string(),
        ]));
        said.stdout.contains(&shown(&renewed)).then_some(())
    });
    assert_eq!(server.admin().get(at("*", "*", APIEXPORTS)).status, 200);
}

#[test]
fn a_synthetic_delay_delays_every_request() {
    let delay = Duration::from_millis(200);
    let server = Server::start_with(&["--synthetic-delay", "200ms"]);
    let client = server.admin();
    for target in ["/readyz".to_owned(), at("*", "*", APIEXPORTS)] {
        // Never too early: how late it is depends on the machine.
        let asked = Instant::now();
        assert_eq!(client.get(&target).status, 200);
        assert!(asked.elapsed() >= delay, "{target} took {:?}", asked.elapsed());
    }
}

#[test]
fn ctrl_c_ends_it_in_order_too() {
    let mut server = Server::start();
    server.signal(Signal::INT);
    let status = server.wait();
    assert!(status.success(), "{status}: {}", server.said());
    server.start_again();
    assert_eq!(server.admin().get(at("*", "*", APIEXPORTS)).status, 200);
}
