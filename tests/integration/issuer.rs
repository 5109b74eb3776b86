//! The built-in issuer: `kcpctl reconcile --issue-certificates` on the control plane of `kcpctl
//! cache serve`, and a real `openssl` that judges what it signs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{
    CommandOutput, DEMO, Process, Server, authority, certificate, eventually, installation, issuer,
    self_signed,
};

/// A control plane with a namespace.
struct Scene {
    server: Server,
}

impl Scene {
    fn new() -> Self {
        let scene = Self { server: Server::start() };
        scene.put(&[json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": DEMO },
        })]);
        scene
    }

    fn kubectl(&self, args: &[&str]) -> CommandOutput {
        let mut command = self.server.env().command("kubectl");
        command.arg("--kubeconfig").arg(self.server.data_dir().join("admin.kubeconfig"));
        CommandOutput::of(command.args(["--context", "control", "-n", DEMO]).args(args))
    }

    /// Applies objects.
    fn put(&self, objects: &[Value]) {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let file = self.server.env().write("objects.json", list.to_string());
        let file = file.to_str().unwrap();
        self.kubectl(&["apply", "--validate=false", "-f", file]).success();
    }

    /// A loop that signs.
    fn start(&self) -> Process {
        Process::start(self.server.env(), |command| {
            let kubeconfig = self.server.data_dir().join("admin.kubeconfig");
            command.arg("reconcile").arg("--kubeconfig").arg(kubeconfig);
            command.args(["--context", "control", "-n", DEMO, "--issue-certificates", "-v=4"]);
        })
    }

    fn all(&self, of: &str) -> Vec<Value> {
        let list = self.kubectl(&["get", of, "-o", "json"]).success();
        let list: Value = serde_json::from_str(&list).unwrap();
        list["items"].as_array().unwrap().clone()
    }

    fn get(&self, of: &str, name: &str) -> Option<Value> {
        let found = self.kubectl(&["get", of, name, "-o", "json", "--ignore-not-found"]).success();
        (!found.trim().is_empty()).then(|| serde_json::from_str(&found).unwrap())
    }

    fn condition(&self, of: &str, name: &str, type_: &str) -> Option<Value> {
        let object = self.get(of, name)?;
        let all = object["status"]["conditions"].as_array()?.clone();
        all.into_iter().find(|it| it["type"] == type_)
    }

    /// Waits until a condition has a reason, and answers with its message.
    fn until_reason(&self, of: &str, name: &str, type_: &str, reason: &str) -> String {
        eventually(&format!("{reason} of {of} {name}"), || {
            let found = self.condition(of, name, type_)?;
            (found["reason"] == reason).then(|| found["message"].as_str().unwrap().to_owned())
        })
    }

    /// Waits until a certificate of that revision is ready, and answers with its Secret.
    fn until_ready(&self, name: &str, revision: i64) -> Secret<'_> {
        eventually(&format!("revision {revision} of {name}"), || {
            let certificate = self.get("certificates", name)?;
            let ready = self.condition("certificates", name, "Ready")?;
            let is_ready = ready["status"] == "True"
                && ready["observedGeneration"] == certificate["metadata"]["generation"]
                && certificate["status"]["revision"].as_i64()? >= revision;
            is_ready.then_some(())
        });
        self.secret(name)
    }

    fn secret(&self, name: &str) -> Secret<'_> {
        Secret { scene: self, name: name.to_owned(), object: self.get("secrets", name).unwrap() }
    }
}

/// A Secret with a certificate.
struct Secret<'a> {
    scene: &'a Scene,
    name: String,
    object: Value,
}

impl Secret<'_> {
    fn text(&self, key: &str) -> String {
        let data = self.object["data"][key].as_str().unwrap();
        String::from_utf8(STANDARD.decode(data).unwrap()).unwrap()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["labels"][key].as_str()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.object["metadata"]["annotations"][key].as_str()
    }

    fn openssl(&self, args: &[&str]) -> String {
        let env = self.scene.server.env();
        for key in ["tls.crt", "tls.key", "ca.crt"] {
            env.write(format!("{}-{key}", self.name), self.text(key));
        }
        let args: Vec<String> = args
            .iter()
            .map(|it| match *it {
                file @ ("tls.crt" | "tls.key" | "ca.crt") => {
                    env.path(format!("{}-{file}", self.name)).to_str().unwrap().to_owned()
                }
                other => other.to_owned(),
            })
            .collect();
        CommandOutput::of(env.command("openssl").args(args)).success()
    }

    /// The chain leads from the certificate to the root, and the key is the certificate's.
    fn verify(&self) {
        let said =
            self.openssl(&["verify", "-CAfile", "ca.crt", "-untrusted", "tls.crt", "tls.crt"]);
        assert!(said.trim_end().ends_with(": OK"), "{said}");
        let of_key = self.openssl(&["pkey", "-in", "tls.key", "-pubout"]);
        assert_eq!(of_key, self.openssl(&["x509", "-in", "tls.crt", "-noout", "-pubkey"]));
    }

    fn facts(&self) -> String {
        self.openssl(&["x509", "-in", "tls.crt", "-noout", "-text", "-nameopt", "RFC2253"])
    }

    fn certificates(&self, key: &str) -> usize {
        self.text(key).matches("BEGIN CERTIFICATE").count()
    }
}

#[test]
fn an_installation_gets_its_certificates_and_every_chain_verifies() {
    let scene = Scene::new();
    let _loop = scene.start();
    let [cache, root, ..] = installation();
    scene.put(&[self_signed(), cache, root]);
    let certificates = eventually("certificates that are ready", || {
        let all = scene.all("certificates");
        let is_ready = |it: &Value| {
            let conditions = it["status"]["conditions"].as_array();
            conditions.is_some_and(|all| {
                all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
            })
        };
        let names = |wanted: &str| all.iter().any(|it| it["metadata"]["name"] == wanted);
        (names("root-server") && names("root-client-ca") && all.iter().all(is_ready)).then_some(all)
    });
    assert!(certificates.len() > 10, "{}", certificates.len());
    for certificate in &certificates {
        let name = certificate["spec"]["secretName"].as_str().unwrap();
        let secret = scene.secret(name);
        secret.verify();
        assert_eq!(secret.object["type"], "kubernetes.io/tls");
        assert_eq!(secret.certificates("ca.crt"), 1);
        assert_eq!(certificate["status"]["revision"], 1, "{name}");
        let is_ca = certificate["spec"]["isCA"] == true;
        assert_eq!(secret.facts().contains("CA:TRUE"), is_ca, "{name}");
        for group in
            certificate["spec"]["subject"]["organizations"].as_array().into_iter().flatten()
        {
            assert!(secret.facts().contains(group.as_str().unwrap()), "{name}: {group}");
        }
    }
    // What a chain is depends on how far it is to the root.
    let server = scene.secret("root-server");
    assert!(server.certificates("tls.crt") >= 2, "the server's CA is not the root");
    assert!(server.facts().contains("TLS Web Server Authentication"));
    assert_eq!(scene.secret("root-ca").certificates("tls.crt"), 1);
}

#[test]
fn what_is_asked_for_is_what_openssl_reads() {
    let scene = Scene::new();
    scene.put(&authority());
    scene.put(&[
        certificate("middle", "ca", &json!({ "isCA": true, "privateKey": { "algorithm": "RSA", "size": 2048 } })),
        issuer("middle", &json!({ "ca": { "secretName": "middle" } })),
        certificate("low", "middle", &json!({ "isCA": true, "privateKey": { "algorithm": "Ed25519" } })),
        issuer("low", &json!({ "ca": { "secretName": "low" } })),
        certificate("deep", "low", &json!({
            "dnsNames": ["deep.example.com", "*.example.com"], "ipAddresses": ["10.0.0.1", "::1"],
            "uris": ["spiffe://example.com/a"], "emailAddresses": ["a@example.com"],
            "subject": { "organizations": ["system:masters", "kcpctl:shard:root", "three"] },
            "usages": ["server auth", "client auth", "digital signature"], "duration": "2h",
        })),
        certificate("pkcs1", "ca", &json!({ "privateKey": { "algorithm": "RSA", "size": 2048, "encoding": "PKCS1" } })),
        certificate("pkcs8", "ca", &json!({ "privateKey": { "algorithm": "RSA", "size": 3072, "encoding": "PKCS8" } })),
        certificate("ec384", "ca", &json!({ "privateKey": { "algorithm": "ECDSA", "size": 384, "encoding": "PKCS1" } })),
        certificate("ec521", "self", &json!({ "privateKey": { "algorithm": "ECDSA", "size": 521, "encoding": "PKCS8" } })),
    ]);
    let _loop = scene.start();
    for name in ["ca", "middle", "low", "deep", "pkcs1", "pkcs8", "ec384", "ec521"] {
        scene.until_ready(name, 1).verify();
    }
    let deep = scene.secret("deep");
    assert_eq!((deep.certificates("tls.crt"), deep.certificates("ca.crt")), (3, 1));
    assert_eq!(deep.text("ca.crt"), scene.secret("ca").text("tls.crt"));
    let facts = deep.facts();
    for fact in [
        "DNS:deep.example.com, DNS:*.example.com, email:a@example.com, IP Address:10.0.0.1, \
         IP Address:0:0:0:0:0:0:0:1, URI:spiffe://example.com/a",
        "O=three",
        "O=system:masters",
        "O=kcpctl:shard:root",
        "CN=deep",
        "TLS Web Server Authentication, TLS Web Client Authentication",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Authority Key Identifier",
    ] {
        assert!(facts.contains(fact), "{fact}\n{facts}");
    }
    for (name, begin) in [
        ("pkcs1", "BEGIN RSA PRIVATE KEY"),
        ("pkcs8", "BEGIN PRIVATE KEY"),
        ("ec384", "BEGIN EC PRIVATE KEY"),
        ("ec521", "BEGIN PRIVATE KEY"),
        ("low", "BEGIN PRIVATE KEY"),
    ] {
        assert!(scene.secret(name).text("tls.key").contains(begin), "{name}");
    }
    assert!(scene.secret("pkcs8").facts().contains("(3072 bit)"));
    assert!(scene.secret("ec521").facts().contains("(521 bit)"));
    let status = scene.get("certificates", "deep").unwrap()["status"].clone();
    let seconds = |key: &str| {
        let text = status[key].as_str().unwrap();
        text.parse::<jiff::Timestamp>().unwrap().as_second()
    };
    assert_eq!(seconds("notAfter") - seconds("notBefore"), 7200);
    assert_eq!(seconds("notAfter") - seconds("renewalTime"), 2400, "a third of its life");
}

#[test]
fn a_certificate_is_renewed_when_its_time_has_come() {
    let scene = Scene::new();
    scene.put(&authority());
    // It is due a second after it was signed.
    let short = |policy: &str| {
        json!({
            "duration": "1h", "renewBefore": "59m59s",
            "privateKey": { "algorithm": "ECDSA", "size": 256, "rotationPolicy": policy },
        })
    };
    scene.put(&[
        certificate("new-keys", "ca", &short("Always")),
        certificate("one-key", "ca", &short("Never")),
    ]);
    let _loop = scene.start();
    let keys = |name: &str| {
        let first = scene.until_ready(name, 1);
        let later = eventually("another certificate", || {
            let later = scene.until_ready(name, 2);
            (first.text("tls.crt") != later.text("tls.crt")).then_some(later)
        });
        later.verify();
        (first.text("tls.key"), later.text("tls.key"))
    };
    let (first, later) = keys("new-keys");
    assert_ne!(first, later);
    let (first, later) = keys("one-key");
    assert_eq!(first, later);
}

#[test]
fn what_is_not_right_is_put_right() {
    let scene = Scene::new();
    scene.put(&authority());
    let template = |labels: Value| json!({ "dnsNames": ["a.example.com"], "secretTemplate": { "labels": labels, "annotations": { "x.example.com/y": "z" } } });
    scene.put(&[certificate("one", "ca", &template(json!({ "l": "1", "m": "2" })))]);
    let _loop = scene.start();
    let first = scene.until_ready("one", 1);
    assert_eq!((first.label("l"), first.label("m")), (Some("1"), Some("2")));
    assert_eq!(first.label("controller.cert-manager.io/fao"), Some("true"));
    assert_eq!(first.annotation("cert-manager.io/issuer-name"), Some("ca"));
    assert_eq!(first.annotation("cert-manager.io/alt-names"), Some("a.example.com"));

    // Another template, without another certificate.
    scene.put(&[certificate("one", "ca", &template(json!({ "l": "3" })))]);
    eventually("other labels", || {
        let found = scene.secret("one");
        (found.label("l") == Some("3") && found.label("m").is_none()).then_some(())
    });
    assert_eq!(scene.until_ready("one", 1).text("tls.crt"), first.text("tls.crt"));
    assert_eq!(scene.get("certificates", "one").unwrap()["status"]["revision"], 1);

    // Somebody's own key, an empty Secret, none at all.
    let key = STANDARD.encode(scene.secret("ca").text("tls.key"));
    let patch = json!({ "data": { "tls.key": key } }).to_string();
    scene.kubectl(&["patch", "secret", "one", "--type=merge", "-p", &patch]).success();
    scene.until_ready("one", 2).verify();
    scene
        .kubectl(&["patch", "secret", "one", "--type=merge", "-p", r#"{"data":{"tls.crt":""}}"#])
        .success();
    scene.until_ready("one", 3).verify();
    scene.kubectl(&["delete", "secret", "one"]).success();
    scene.until_ready("one", 4).verify();

    // Other names.
    scene.put(&[certificate(
        "one",
        "ca",
        &json!({ "dnsNames": ["b.example.com"], "usages": ["client auth"] }),
    )]);
    let other = scene.until_ready("one", 5);
    other.verify();
    assert!(
        other.facts().contains("DNS:b.example.com") && !other.facts().contains("a.example.com")
    );
    assert!(other.facts().contains("TLS Web Client Authentication"));
    assert_eq!(other.annotation("x.example.com/y"), None);

    // Another CA under the same name: nobody would trust what the old one has signed.
    scene.kubectl(&["delete", "secret", "ca"]).success();
    let again = scene.until_ready("one", 6);
    again.verify();
    assert_eq!(again.text("ca.crt"), scene.until_ready("ca", 2).text("tls.crt"));

    // Two that name one Secret do not fight over it.
    scene.put(&[certificate("two", "ca", &json!({ "secretName": "one" }))]);
    let said = scene.until_reason("certificates", "two", "Ready", "IncorrectCertificate");
    assert!(said.contains("`one`"), "{said}");
    assert_eq!(scene.get("certificates", "one").unwrap()["status"]["revision"], 6);
    let events = eventually("events", || {
        let all = scene.kubectl(&["get", "events", "-o", "json"]).success();
        all.contains("successfully issued").then_some(all)
    });
    assert!(events.contains("as Secret does not exist"), "{events}");
}

#[test]
fn whoever_cannot_sign_says_what_is_missing() {
    let scene = Scene::new();
    let _loop = scene.start();
    scene.put(&[
        issuer("acme", &json!({ "acme": { "server": "https://acme.example.com" } })),
        issuer("empty", &json!({ "ca": { "secretName": "nothing" } })),
        certificate("by-acme", "acme", &json!({})),
        certificate("by-nobody", "ca", &json!({})),
        certificate("literal", "ca", &json!({ "literalSubject": "CN=a" })),
        certificate("too-short", "ca", &json!({ "duration": "9s" })),
    ]);
    let said = scene.until_reason("issuers", "acme", "Ready", "NotSupported");
    assert!(said.contains("`acme`") && said.contains("cert-manager"), "{said}");
    let said = scene.until_reason("issuers", "empty", "Ready", "ErrGetKeyPair");
    assert!(said.contains("no Secret `nothing`"), "{said}");
    let said = scene.until_reason("certificates", "by-acme", "Issuing", "DoesNotExist");
    assert!(said.contains("the Issuer `acme` cannot sign"), "{said}");
    let said = scene.until_reason("certificates", "literal", "Ready", "NotSupported");
    assert!(said.contains("literalSubject"), "{said}");
    let said = scene.until_reason("certificates", "too-short", "Ready", "InvalidSpec");
    assert!(said.contains("shorter than ten seconds"), "{said}");
    let said = scene.until_reason("certificates", "by-nobody", "Issuing", "DoesNotExist");
    assert!(said.contains("there is no Issuer `ca`"), "{said}");
    // What it waits for comes.
    scene.put(&authority());
    scene.until_ready("by-nobody", 1).verify();
}

#[test]
fn nobody_signs_beside_cert_manager() {
    let scene = Scene::new();
    let now = jiff::Timestamp::now();
    scene.put(&[json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "cert-manager-controller", "namespace": DEMO },
        "spec": {
            "holderIdentity": "pod-1", "leaseDurationSeconds": 3600,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
        },
    })]);
    let mut running = scene.start();
    assert_eq!(running.code(), Some(5), "refused");
    let said = running.said();
    assert!(said.contains("cert-manager runs in this cluster: `pod-1` holds its lease"), "{said}");
}

#[test]
fn what_an_issuer_points_to_is_in_its_certificates() {
    let scene = Scene::new();
    scene.put(&authority());
    let pointing = json!({ "ca": {
        "secretName": "ca",
        "crlDistributionPoints": ["http://ca.example.com/one.crl", "http://ca.example.com/two.crl"],
        "ocspServers": ["http://ocsp.example.com"],
        "issuingCertificateURLs": ["http://ca.example.com/ca.crt"],
    } });
    let broken = json!({ "selfSigned": { "crlDistributionPoints": ["nowhere"] } });
    let own = json!({ "selfSigned": { "crlDistributionPoints": ["http://own.example.com/crl"] } });
    scene.put(&[
        issuer("pointing", &pointing),
        issuer("broken", &broken),
        issuer("own", &own),
        certificate("leaf", "pointing", &json!({ "dnsNames": ["a.example.com"] })),
        certificate("alone", "own", &json!({})),
        certificate("plain", "ca", &json!({})),
    ]);
    let _loop = scene.start();
    let leaf = scene.until_ready("leaf", 1);
    leaf.verify();
    let said = leaf.openssl(&[
        "x509",
        "-in",
        "tls.crt",
        "-noout",
        "-ext",
        "crlDistributionPoints,authorityInfoAccess",
    ]);
    let found: Vec<&str> = said.lines().map(str::trim).filter(|it| it.contains("URI:")).collect();
    let wanted = [
        "OCSP - URI:http://ocsp.example.com",
        "CA Issuers - URI:http://ca.example.com/ca.crt",
        "URI:http://ca.example.com/one.crl",
        "URI:http://ca.example.com/two.crl",
    ];
    assert_eq!(found, wanted, "{said}");
    // They stand where cert-manager has them.
    let facts = leaf.facts();
    let order = ["Authority Information Access", "CRL Distribution", "Subject Alternative Name"];
    let places = order.map(|it| facts.find(it).unwrap());
    assert!(places.is_sorted(), "{facts}");
    assert!(scene.until_ready("alone", 1).facts().contains("URI:http://own.example.com/crl"));
    assert!(!scene.until_ready("plain", 1).facts().contains("URI:"));
    let said = scene.until_reason("issuers", "broken", "Ready", "InvalidSpec");
    assert!(
        said.contains("spec.selfSigned.crlDistributionPoints: \"nowhere\" is no URL"),
        "{said}"
    );
}
