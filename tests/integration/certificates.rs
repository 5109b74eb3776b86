//! Certificates that change under a running server.

use std::path::Path;
use std::time::{Duration, SystemTime};

use kcpctl::pki::{Authority, Certificate, Leaf, San, Validity};

use crate::support::{Credentials, PATIENCE, Server, eventually, new_authority};

/// Signs a new serving pair and puts it where a server looks for its own.
fn write_pair(
    authority: &Authority,
    name: &str,
    sans: &[San],
    validity: Validity,
    [cert, key]: [&Path; 2],
) {
    let issued = authority.issue(Leaf::Server { name, sans }, validity).unwrap();
    std::fs::write(cert, format!("{}{}", issued.cert_pem, authority.cert_pem())).unwrap();
    std::fs::write(key, issued.key_pem).unwrap();
}

/// The serving certificate that a new connection sees.
fn served(server: &Server) -> Certificate {
    Certificate::from_der(&server.client_with(None).server_certificate()).unwrap()
}

#[test]
fn a_running_server_renews_its_certificate_at_half_its_life() {
    let mut server = Server::start();
    let data = server.data_dir();
    let read = |name: &str| std::fs::read_to_string(data.join(name)).unwrap();
    let authority = Authority::from_pem(&read("ca.crt"), &read("ca.key")).unwrap();
    let first = served(&server);
    // The machine may be so busy that half the life is over before the server is up.
    for margin in [4, 15, 30] {
        assert!(server.stop().success());
        let half = SystemTime::now() + Duration::from_secs(margin);
        // No certificate is older than its CA.
        let not_before = authority.certificate().validity.not_before;
        let validity =
            Validity { not_before, not_after: half + half.duration_since(not_before).unwrap() };
        let files = [data.join("apiserver.crt"), data.join("apiserver.key")];
        write_pair(&authority, &first.common_name, &first.sans, validity, [&files[0], &files[1]]);
        let ours = read("apiserver.crt");
        server.start_again();
        let (before, file) = (served(&server), read("apiserver.crt"));
        // In whole seconds, as certificates have it.
        let half = Certificate::from_pem(&ours).unwrap()[0].0.validity.half_life();
        if SystemTime::now() >= half {
            continue;
        }
        assert_eq!(file, ours, "renewed before half its life was over");
        let renewed = eventually("a renewed certificate on the wire", || {
            let certificate = served(&server);
            (certificate.serial != before.serial).then_some(certificate)
        });
        assert!(SystemTime::now() >= half, "renewed before half its life was over");
        assert!(renewed.validity.not_after > before.validity.not_after);
        assert_eq!((renewed.sans, renewed.common_name), (first.sans, first.common_name));
        // Who trusted the server before still does.
        assert_eq!(server.admin().get("/readyz").status, 200);
        return;
    }
    panic!("no server was up within {PATIENCE:?}");
}

#[test]
fn a_new_client_ca_counts_at_once_and_a_bad_one_never() {
    let server = Server::start_cache_server();
    let trusted = server.env().path("trusted-clients.crt");
    let others = new_authority("others");
    let status = |credentials: &Credentials| {
        server.client_with(Some(credentials)).get("/shards/*/clusters/*/apis").status
    };
    let old = server.credentials("old", &["system:masters"]);
    let new = Credentials::signed_by(&others, "new", &["system:masters"]);
    assert_ne!(status(&old), 403);
    assert_eq!(status(&new), 403);

    std::fs::write(&trusted, others.cert_pem()).unwrap();
    eventually("trust in the new CA", || (status(&new) != 403).then_some(()));
    assert_eq!(status(&old), 403);

    std::fs::write(&trusted, "not a certificate").unwrap();
    eventually("a word about the bad CA", || {
        server.said().contains("client CA: the new files are of no use").then_some(())
    });
    assert_ne!(status(&new), 403);
}

#[test]
fn a_bad_new_serving_pair_is_told_and_the_old_one_stays() {
    let server = Server::start_cache_server();
    let before = served(&server);
    let authority = new_authority("another");
    let [cert, key] = ["apiserver.crt", "apiserver.key"].map(|it| server.data_dir().join(it));
    let trusted = std::fs::read(&cert).unwrap();
    std::fs::write(&key, authority.key_pem()).unwrap();
    eventually("a word about the bad pair", || {
        server.said().contains("serving certificate: the new files are of no use").then_some(())
    });
    assert_eq!(std::fs::read(&cert).unwrap(), trusted);
    assert_eq!(served(&server).serial, before.serial);
}
