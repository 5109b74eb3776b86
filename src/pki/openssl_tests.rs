//! The certificates of this module, judged by a real `openssl`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A folder of PEM files and the `openssl` that works in it.
struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Runs `openssl` with the words of `line` and answers with its output.
    fn openssl(&self, line: &str) -> String {
        let output = Command::new("openssl")
            .args(line.split_whitespace())
            .current_dir(self.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {line}: {text}");
        text
    }

    /// Makes a CA with `openssl req`; `subject` may hold no spaces.
    fn make_ca(&self, key: &str, subject: &str, more: &str) {
        self.openssl(key);
        self.openssl(&format!(
            "req -x509 -new -key ca.key -out ca.crt -days 30 -subj {subject} {more} \
             -addext keyUsage=critical,keyCertSign,cRLSign"
        ));
    }
}

fn ca_validity() -> Validity {
    Validity::starting(SystemTime::now(), 10 * HOUR).unwrap()
}

fn validity() -> Validity {
    Validity::starting(SystemTime::now(), HOUR).unwrap()
}

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// Signs a user of three groups with the CA in `dir`, and lets `openssl` verify it.
fn issue_and_verify(dir: &Dir) -> Issued {
    let authority = Authority::from_pem(&dir.read("ca.crt"), &dir.read("ca.key")).unwrap();
    let groups = groups(&["one", "two", "kcpctl:reader"]);
    let issued =
        authority.issue(Leaf::Client { user: "alice", groups: &groups }, validity()).unwrap();
    dir.write("leaf.crt", &issued.cert_pem);
    dir.write("leaf.key", &issued.key_pem);
    let said = dir.openssl("verify -x509_strict -purpose sslclient -CAfile ca.crt leaf.crt");
    assert_eq!(said, "leaf.crt: OK\n");
    let chain = pem::certificates(&issued.cert_pem).unwrap();
    verify_client(&chain, &[authority.der().clone()], SystemTime::now()).unwrap();
    issued
}

#[test]
fn three_groups_are_three_organizations() {
    let dir = Dir::new();
    let authority = Authority::create("a CA", ca_validity()).unwrap();
    dir.write("ca.crt", &authority.cert_pem());
    dir.write("ca.key", &authority.key_pem());
    let issued = issue_and_verify(&dir);
    assert_eq!(
        dir.openssl("x509 -in leaf.crt -noout -subject -issuer"),
        "subject=O = one, O = two, O = kcpctl:reader, CN = alice\nissuer=CN = a CA\n"
    );
    let text = dir.openssl("x509 -in leaf.crt -noout -text");
    for line in [
        "Version: 3 (0x2)",
        "Signature Algorithm: ecdsa-with-SHA256",
        "CA:FALSE",
        "Digital Signature",
        "TLS Web Client Authentication",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let read = &Certificate::from_pem(&issued.cert_pem).unwrap()[0].0;
    assert_eq!(read.common_name, "alice");
    assert_eq!(read.organizations, ["one", "two", "kcpctl:reader"]);
    assert!(!read.is_ca);
    // The key belongs to it.
    assert_eq!(
        dir.openssl("x509 -in leaf.crt -noout -pubkey"),
        dir.openssl("pkey -in leaf.key -pubout")
    );
    let ca = dir.openssl("x509 -in ca.crt -noout -text");
    for line in ["CA:TRUE", "Certificate Sign, CRL Sign", "X509v3 Subject Key Identifier"] {
        assert!(ca.contains(line), "{line} in {ca}");
    }
}

#[test]
fn the_name_of_a_foreign_ca_is_copied_byte_for_byte() {
    for (subject, mask, bytes) in [
        ("/O=first/O=second/CN=two", "utf8only", b"\x0c\x05first".as_slice()),
        // Two organisations in one set, as Go writes them.
        ("/O=first+O=second/CN=set", "utf8only", b"\x0c\x06second"),
        ("/C=DE/O=Example/CN=printable", "default", b"\x13\x07Example"),
        ("/emailAddress=a@example.com/CN=ia5", "default", b"\x16\x0da@example.com"),
        ("/CN=gr\u{fc}n", "default", b"\x14\x04gr\xfcn"),
        ("/CN=gr\u{fc}n", "utf8only", b"\x0c\x05gr\xc3\xbcn"),
    ] {
        let dir = Dir::new();
        dir.write(
            "req.cnf",
            &format!(
                "[req]\ndistinguished_name=dn\nstring_mask={mask}\n[dn]\n\
                 [ca]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n"
            ),
        );
        dir.make_ca(
            "ecparam -name prime256v1 -genkey -out ca.key",
            subject,
            "-utf8 -multivalue-rdn -config req.cnf -extensions ca",
        );
        let issued = issue_and_verify(&dir);
        let ca = Certificate::from_pem(&dir.read("ca.crt")).unwrap().swap_remove(0).0;
        assert_eq!(issued.certificate.issuer_der, ca.subject_der, "{subject}");
        assert!(ca.subject_der.windows(bytes.len()).any(|it| it == bytes), "{subject} {mask}");
    }
}

#[test]
fn keys_of_every_kind_and_form_can_sign() {
    for (generate, convert, algorithm) in [
        ("genrsa -out ca.key 2048", "", "sha256WithRSAEncryption"),
        ("genrsa -out ca.key 2048", "rsa -in ca.key -traditional", "sha256WithRSAEncryption"),
        ("ecparam -name prime256v1 -genkey -out ca.key", "", "ecdsa-with-SHA256"),
        (
            "ecparam -name secp384r1 -genkey -out ca.key",
            "pkcs8 -topk8 -nocrypt -in ca.key",
            "ecdsa-with-SHA384",
        ),
        ("ecparam -name secp521r1 -genkey -noout -out ca.key", "", "ecdsa-with-SHA512"),
        ("genpkey -algorithm ed25519 -out ca.key", "", "ED25519"),
    ] {
        let dir = Dir::new();
        dir.make_ca(generate, "/CN=ca", "");
        if !convert.is_empty() {
            dir.openssl(&format!("{convert} -out other.key"));
            dir.write("ca.key", &dir.read("other.key"));
        }
        let issued = issue_and_verify(&dir);
        let text = dir.openssl("x509 -in leaf.crt -noout -text");
        assert!(text.contains(algorithm), "{algorithm} in {text}");
        assert!(issued.key_pem.starts_with("-----BEGIN PRIVATE KEY-----"));
        // What was read is written as it was.
        let key = dir.read("ca.key");
        let authority = Authority::from_pem(&dir.read("ca.crt"), &key).unwrap();
        assert!(key.ends_with(&authority.key_pem()), "{generate} {convert}");
    }
}

#[test]
fn a_server_certificate_is_good_for_its_names_only() {
    let dir = Dir::new();
    let authority = Authority::create("serving", ca_validity()).unwrap();
    let sans: Vec<San> = ["localhost", "127.0.0.1", "::1", "*.example.com"]
        .iter()
        .map(|san| san.parse().unwrap())
        .collect();
    let issued = authority.issue(Leaf::Server { name: "cache", sans: &sans }, validity()).unwrap();
    dir.write("ca.crt", &authority.cert_pem());
    dir.write("leaf.crt", &issued.cert_pem);
    dir.openssl(
        "verify -x509_strict -purpose sslserver -verify_hostname localhost -CAfile ca.crt leaf.crt",
    );
    dir.openssl("verify -verify_ip ::1 -CAfile ca.crt leaf.crt");
    assert_eq!(issued.certificate.sans, sans);
    let chain = pem::certificates(&issued.cert_pem).unwrap();
    let roots = [authority.der().clone()];
    for (host, covered) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("a.example.com", true),
        ("a.b.example.com", false),
        ("example.com", false),
        ("10.0.0.1", false),
    ] {
        let host: San = host.parse().unwrap();
        assert_eq!(issued.certificate.covers(&host), covered, "{host}");
        let verified = verify_server(&chain, &roots, &host, SystemTime::now());
        assert_eq!(verified.is_ok(), covered, "{host}: {verified:?}");
    }
    // Not for another purpose, nor at another time, nor by another CA.
    let client = verify_client(&chain, &roots, SystemTime::now());
    assert!(matches!(client, Err(PkiError::Untrusted { .. })), "{client:?}");
    let late = verify_server(&chain, &roots, &sans[0], SystemTime::now() + 2 * HOUR).unwrap_err();
    assert_eq!(late.to_string(), "the certificate does not verify: it has expired");
    let other = Authority::create("serving", ca_validity()).unwrap();
    let foreign = verify_server(&chain, &[other.der().clone()], &sans[0], SystemTime::now());
    assert!(foreign.is_err(), "{foreign:?}");
}

#[test]
fn a_renewed_ca_and_its_old_self_vouch_for_each_others_leaves() {
    let dir = Dir::new();
    let old = Authority::create("serving", ca_validity()).unwrap();
    let old_pem = old.cert_pem();
    let user = Leaf::Client { user: "alice", groups: &[] };
    let before = old.issue(user, validity()).unwrap();
    let new = old.renewed(Validity::starting(SystemTime::now(), 20 * HOUR).unwrap()).unwrap();
    let after = new.issue(user, validity()).unwrap();
    dir.write("old.crt", &old_pem);
    dir.write("new.crt", &new.cert_pem());
    dir.write("before.crt", &before.cert_pem);
    dir.write("after.crt", &after.cert_pem);
    dir.openssl("verify -x509_strict -CAfile new.crt before.crt");
    dir.openssl("verify -x509_strict -CAfile old.crt after.crt");
    assert_ne!(before.certificate.serial, after.certificate.serial);
}

#[test]
fn an_intermediate_ca_is_sent_along() {
    let dir = Dir::new();
    dir.openssl("ecparam -name prime256v1 -genkey -out root.key");
    dir.openssl("req -x509 -new -key root.key -out root.crt -days 30 -subj /CN=root");
    dir.openssl("ecparam -name prime256v1 -genkey -out ca.key");
    dir.openssl("req -new -key ca.key -out ca.csr -subj /CN=intermediate");
    dir.write("ext.cnf", "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n");
    dir.openssl(
        "x509 -req -in ca.csr -CA root.crt -CAkey root.key -CAcreateserial -days 30 \
         -extfile ext.cnf -out ca.crt",
    );
    let authority = Authority::from_pem(&dir.read("ca.crt"), &dir.read("ca.key")).unwrap();
    let issued = authority.issue(Leaf::Client { user: "alice", groups: &[] }, validity()).unwrap();
    let chain = pem::certificates(&issued.cert_pem).unwrap();
    assert_eq!(chain.len(), 2);
    for trusted in ["root.crt", "ca.crt"] {
        let roots = pem::certificates(&dir.read(trusted)).unwrap();
        verify_client(&chain, &roots, SystemTime::now()).unwrap();
    }
}

#[test]
fn what_cannot_sign_is_refused_with_the_reason() {
    let authority = Authority::create("ca", ca_validity()).unwrap();
    let other = Authority::create("other", ca_validity()).unwrap();
    let leaf = authority.issue(Leaf::Client { user: "alice", groups: &[] }, validity()).unwrap();
    let refused = |cert: &str, key: &str| Authority::from_pem(cert, key).unwrap_err().to_string();
    assert_eq!(
        refused(&leaf.cert_pem, &leaf.key_pem),
        "`CN=alice` is not a CA certificate: its basic constraints do not say so"
    );
    assert_eq!(
        refused(&authority.cert_pem(), &other.key_pem()),
        "the private key does not belong to the certificate `CN=ca`"
    );
    let damaged = pem::encode(pem::CERTIFICATE, &authority.der()[..100]);
    assert!(refused(&damaged, &authority.key_pem()).starts_with("the certificate is damaged"));
    let damaged = pem::encode(pem::PRIVATE_KEY, b"nonsense");
    assert!(refused(&authority.cert_pem(), &damaged).starts_with("the private key is damaged"));
    let long = Validity::starting(SystemTime::now(), 20 * HOUR).unwrap();
    let outlives = authority.issue(Leaf::Client { user: "alice", groups: &[] }, long);
    assert!(matches!(outlives, Err(PkiError::OutlivesCa { .. })), "{outlives:?}");
}

#[test]
fn every_kind_of_key_is_read_in_every_form_and_signs() {
    let dir = Dir::new();
    for (kind, algorithm, label) in [
        (KeyKind::Rsa(2048), "sha256WithRSAEncryption", "RSA PRIVATE KEY"),
        (KeyKind::Rsa(3072), "sha384WithRSAEncryption", "RSA PRIVATE KEY"),
        (KeyKind::Rsa(4096), "sha512WithRSAEncryption", "RSA PRIVATE KEY"),
        (KeyKind::Ecdsa(256), "ecdsa-with-SHA256", "EC PRIVATE KEY"),
        (KeyKind::Ecdsa(384), "ecdsa-with-SHA384", "EC PRIVATE KEY"),
        (KeyKind::Ecdsa(521), "ecdsa-with-SHA512", "EC PRIVATE KEY"),
        (KeyKind::Ed25519, "ED25519", "PRIVATE KEY"),
    ] {
        let made = Key::generate_as(kind).unwrap();
        assert_eq!(made.kind().unwrap(), kind);
        let forms = [(KeyForm::Traditional, label), (KeyForm::Pkcs8, "PRIVATE KEY")];
        for (form, label) in forms {
            let text = made.to_pem_as(form).unwrap();
            assert!(text.starts_with(&format!("-----BEGIN {label}-----")), "{kind:?} {form:?}");
            dir.write("key", &text);
            let read = Key::from_pem(&text).unwrap();
            assert_eq!(read.public_der(), made.public_der());
            dir.openssl("pkey -in key -check -noout");
            // From either form to the other, and back.
            for (other, _) in forms {
                assert_eq!(read.to_pem_as(other).unwrap(), made.to_pem_as(other).unwrap());
            }
        }
        let spec = serde_json::json!({
            "secretName": "a", "issuerRef": { "name": "b" }, "commonName": "c", "isCA": true,
        });
        let wanted = Wanted::of(&serde_json::from_value(spec).unwrap()).unwrap();
        let read = Key::from_pem(&made.to_pem_as(KeyForm::Traditional).unwrap()).unwrap();
        let signed = Signer::own().sign(&wanted, &read, SystemTime::now(), [9; 16]).unwrap();
        dir.write("crt", &signed.chain);
        assert_eq!(dir.openssl("verify -x509_strict -CAfile crt crt"), "crt: OK\n");
        let der = pem::certificates(&signed.chain).unwrap().swap_remove(0);
        let ca = Ca::from_pem(&signed.chain, &read.to_pem(), None).unwrap();
        assert!(Signer::own().has_signed(&der) && Signer::of_ca(ca).has_signed(&der));
        let said = dir.openssl("x509 -in crt -noout -text");
        assert!(said.contains(&format!("Signature Algorithm: {algorithm}")), "{kind:?}: {said}");
        assert!(said.contains("49:09:09:09:09:09:09:09"), "the serial that was given: {said}");
    }
    assert!(Key::generate_as(KeyKind::Rsa(1024)).is_err());
    assert!(Key::generate_as(KeyKind::Ecdsa(255)).is_err());
}
