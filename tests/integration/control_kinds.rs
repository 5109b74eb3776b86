//! Each kind of the control plane through a real kubectl, while the loop and the issuer work on it:
//! created, changed, broken, repaired and deleted.

use std::fs::{self, File};

use serde_json::{Value, json};

use crate::support::{
    Client, CommandOutput, DEMO, Kubectl, Server, TestEnv, eventually, installation, self_signed,
};

/// A control plane that is worked on, and a kubectl on it.
struct Plane<'a> {
    env: &'a TestEnv,
    kubectl: Kubectl<'a>,
    client: Client,
}

impl<'a> Plane<'a> {
    fn of(server: &'a Server) -> Self {
        let kubectl = Kubectl::of_control_plane(server);
        Self { env: server.env(), kubectl, client: server.admin() }
    }

    /// kubectl in the namespace; the verb stands first.
    fn run(&self, args: &[&str]) -> CommandOutput {
        let (verb, rest) = args.split_first().unwrap();
        self.kubectl.run([&[*verb, "-n", DEMO], rest].concat())
    }

    fn done(&self, args: &[&str]) -> String {
        self.run(args).success()
    }

    /// `create`, `apply` and the like of an object.
    fn with_file(&self, args: &[&str], object: &Value) -> String {
        let file = self.env.write("object.json", object.to_string());
        self.done(&[args, &["-f", file.to_str().unwrap()]].concat())
    }

    fn patch(&self, of: &str, form: &str, patch: &Value) -> CommandOutput {
        self.run(&["patch", of, &format!("--type={form}"), "-p", &patch.to_string()])
    }

    /// An object, such as `secret/a`; none if it is not there.
    fn get(&self, of: &str) -> Option<Value> {
        let (resource, name) = of.split_once('/').unwrap();
        let place = match resource {
            "secret" | "configmap" | "service" => format!("/api/v1/namespaces/{DEMO}/{resource}s"),
            "deployment" => format!("/apis/apps/v1/namespaces/{DEMO}/deployments"),
            "certificate" | "issuer" => {
                format!("/apis/cert-manager.io/v1/namespaces/{DEMO}/{resource}s")
            }
            "frontproxy" => {
                format!("/apis/operator.kcp.io/v1alpha1/namespaces/{DEMO}/frontproxies")
            }
            _ => format!("/apis/operator.kcp.io/v1alpha1/namespaces/{DEMO}/{resource}s"),
        };
        let answer = self.client.get(format!("{place}/{name}"));
        (answer.status == 200).then(|| answer.json())
    }

    /// Waits until a condition of an object as it is now has a reason; its message.
    fn until_reason(&self, of: &str, type_: &str, reason: &str) -> String {
        eventually(&format!("{type_} of {of} to be {reason}"), || {
            let object = self.get(of)?;
            let condition = condition(&object, type_)?;
            let is_new = condition["observedGeneration"] == object["metadata"]["generation"];
            (is_new && condition["reason"] == reason)
                .then(|| condition["message"].as_str().unwrap().to_owned())
        })
    }

    /// Waits until a field of an object is so.
    fn until(&self, of: &str, pointer: &str, is_so: impl Fn(&Value) -> bool) {
        eventually(&format!("{pointer} of {of}"), || {
            is_so(self.get(of)?.pointer(pointer).unwrap_or(&Value::Null)).then_some(())
        });
    }

    /// What names this object as its owner: kinds and names.
    fn owned_by(&self, uid: &Value) -> Vec<String> {
        let types = "deployments,services,configmaps,secrets,certificates,issuers,pdb";
        let list: Value = serde_json::from_str(&self.done(&["get", types, "-o=json"])).unwrap();
        let is_owned = |it: &&Value| {
            let owners = it["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|all| all.iter().any(|it| it["uid"] == *uid))
        };
        let name = |it: &Value| format!("{} {}", it["kind"], it["metadata"]["name"]);
        list["items"].as_array().unwrap().iter().filter(is_owned).map(name).collect()
    }
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == type_)
}

/// A server that works on a folder with nothing but an issuer; the folder goes with the first.
fn serve() -> (TestEnv, Server) {
    let env = TestEnv::new();
    env.write("manifests/issuer.json", self_signed().to_string());
    let folder = env.path("manifests");
    let server = Server::start_with(&["--manifests", folder.to_str().unwrap()]);
    let kubectl = Kubectl::of_control_plane(&server);
    kubectl.run(["create", "namespace", DEMO]).success();
    drop(kubectl);
    (env, server)
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one installation goes through all of it: to make each anew would take minutes"
)]
fn the_operators_kinds_are_created_changed_broken_repaired_and_deleted() {
    let (_folder, server) = serve();
    let plane = Plane::of(&server);

    // Created, those that refer to others first: what they wait for is said, and comes.
    let objects = installation();
    for object in objects.iter().rev() {
        plane.with_file(&["apply"], object);
    }
    let timeout = "--timeout=120s";
    let sources = [
        "cacheserver/cache",
        "rootshard/root",
        "shard/one",
        "frontproxy/front",
        "virtualworkspace/views",
        "kubeconfig/dev",
    ];
    plane.done(&[&["wait", "--for=condition=Reconciled", timeout][..], &sources].concat());
    plane.done(&["wait", "--for=condition=Available", timeout, "kubeconfig/dev"]);
    let servers = [
        ("cacheserver/cache", "deployment/cache-cache-server"),
        ("rootshard/root", "deployment/root-kcp"),
        ("shard/one", "deployment/one-shard-kcp"),
        ("frontproxy/front", "deployment/front-front-proxy"),
        ("virtualworkspace/views", "deployment/views-virtual-workspace"),
    ];
    for (source, deployment) in servers {
        assert!(plane.get(deployment).is_some(), "{deployment}");
        plane.until_reason(source, "Available", "NoWorkloads");
    }
    let text = |of: &str, pointer: &str| {
        plane.get(of).unwrap().pointer(pointer).unwrap().as_str().unwrap().to_owned()
    };
    assert_eq!(text("kubeconfig/dev", "/status/targetName"), "FrontProxy/front");
    let described = plane.done(&["describe", "shard", "one"]);
    assert!(described.contains("NoWorkloads"), "{described}");

    // Changed.
    let image = json!({ "spec": { "image": { "tag": "v0.31.6" } } });
    for (source, deployment) in servers {
        plane.patch(source, "merge", &image).success();
        plane.until(deployment, "/spec/template/spec/containers/0/image", |it| {
            it.as_str().is_some_and(|it| it.ends_with(":v0.31.6"))
        });
        plane.until_reason(source, "Reconciled", "Applied");
    }
    let before = text("secret/dev-kubeconfig", "/data/kubeconfig");
    let longer = json!([{ "op": "replace", "path": "/spec/validity", "value": "48h" }]);
    plane.patch("kubeconfig/dev", "json", &longer).success();
    plane.until("certificate/kubeconfig-cert-dev", "/spec/duration", |it| {
        it.as_str().is_some_and(|it| it.starts_with("48h"))
    });
    plane.until("certificate/kubeconfig-cert-dev", "/status/revision", |it| *it == 2);
    plane.until("secret/dev-kubeconfig", "/data/kubeconfig", |it| *it != before.as_str());

    // Broken, said, and repaired: what is referred to is missing.
    let away = json!({ "ref": { "name": "nowhere" } });
    for (source, field, spec, type_, reason) in [
        ("shard/one", "rootShard", away.clone(), "RootShard", "InvalidReference"),
        ("frontproxy/front", "rootShard", away, "RootShard", "InvalidReference"),
        (
            "virtualworkspace/views",
            "target",
            json!({ "rootShardRef": { "name": "nowhere" } }),
            "ReferenceValid",
            "ReferenceNotFound",
        ),
        (
            "kubeconfig/dev",
            "target",
            json!({ "frontProxyRef": { "name": "nowhere" } }),
            "ReferenceValid",
            "ReferenceNotFound",
        ),
    ] {
        let right = plane.get(source).unwrap()["spec"][field].clone();
        plane.patch(source, "merge", &json!({ "spec": { field: spec } })).success();
        let message = plane.until_reason(source, type_, reason);
        assert!(message.contains("nowhere"), "{message}");
        plane.patch(source, "merge", &json!({ "spec": { field: right } })).success();
        plane.done(&["wait", &format!("--for=condition={type_}"), timeout, source]);
        plane.until_reason(source, "Reconciled", "Applied");
    }
    let bundle = |name: Value| json!({ "spec": { "caBundleSecretRef": name } });
    let more = bundle(json!({ "name": "more" }));
    plane.patch("rootshard/root", "merge", &more).success();
    let message = plane.until_reason("rootshard/root", "Reconciled", "WaitingForSecret");
    assert!(message.contains("more"), "{message}");
    plane.done(&["create", "secret", "generic", "more", "--from-literal=tls.crt=none"]);
    let message = plane.until_reason("rootshard/root", "Reconciled", "InvalidSecret");
    assert!(message.contains("more"), "{message}");
    let root_ca = text("secret/root-ca", "/data/tls.crt");
    plane.patch("secret/more", "strategic", &json!({ "data": { "tls.crt": root_ca } })).success();
    plane.until_reason("rootshard/root", "Reconciled", "Applied");
    plane.patch("rootshard/root", "merge", &bundle(Value::Null)).success();
    plane.until_reason("rootshard/root", "Reconciled", "Applied");

    // What was made is edited.
    let wrong = json!([{ "op": "replace", "path": "/spec/ports/0/targetPort", "value": 1 }]);
    plane.patch("service/cache-cache-server", "json", &wrong).success();
    plane.until("service/cache-cache-server", "/spec/ports/0/targetPort", |it| *it != 1);
    let wrong = json!([{
        "op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["--no"],
    }]);
    plane.patch("deployment/one-shard-kcp", "json", &wrong).success();
    plane.until("deployment/one-shard-kcp", "/spec/template/spec/containers/0/args", |it| {
        it.as_array().unwrap().len() > 1
    });

    // What was made goes, or is no certificate.
    for of in [
        "deployment/cache-cache-server",
        "service/root-kcp",
        "secret/one-server",
        "configmap/front-config",
        "certificate/views-server",
        "issuer/root-client-ca",
        "secret/dev-kubeconfig",
    ] {
        let uid =
            plane.get(of).unwrap_or_else(|| panic!("there is no {of}"))["metadata"]["uid"].clone();
        plane.done(&["delete", of, "--wait=false"]);
        plane.until(of, "/metadata/uid", |it| *it != uid);
    }
    let none = json!({ "data": { "tls.crt": "bm9uZQ==" } });
    plane.patch("secret/kubeconfig-cert-dev", "merge", &none).success();
    plane.until("secret/kubeconfig-cert-dev", "/data/tls.crt", |it| *it != none["data"]["tls.crt"]);
    plane.done(&[&["wait", "--for=condition=Reconciled", timeout][..], &sources].concat());
    plane.done(&["wait", "--for=condition=Ready", timeout, "certificates", "--all"]);
    plane.done(&["wait", "--for=condition=Available", timeout, "kubeconfig/dev"]);

    // Deleted: what they own goes along.
    for source in sources.into_iter().rev() {
        let uid = plane.get(source).unwrap()["metadata"]["uid"].clone();
        assert!(!plane.owned_by(&uid).is_empty(), "{source}");
        plane.done(&["delete", source, "--wait=false"]);
        if source == "shard/one" {
            // There is no kcp to forget it: that is said, and what to do then.
            let message = eventually("the word about kcp", || {
                let object = plane.get(source)?;
                let condition = condition(&object, "Reconciled")?;
                (condition["reason"] == "KcpUnreachable").then(|| condition["message"].clone())
            });
            assert!(message.as_str().unwrap().contains("remove the finalizer"), "{message}");
            let none = json!({ "metadata": { "finalizers": null } });
            plane.patch(source, "merge", &none).success();
        }
        eventually(&format!("{source} to go"), || plane.get(source).is_none().then_some(()));
        eventually(&format!("what {source} owned to go"), || {
            plane.owned_by(&uid).is_empty().then_some(())
        });
    }
    let left =
        plane.done(&["get", "deployments,services,configmaps,certificates,issuers,pdb", "-o=name"]);
    assert_eq!(left, "");
}

/// One of Kubernetes' or cert-manager's kinds.
struct Known {
    object: Value,
    /// How kubectl names the type.
    resource: &'static str,
    /// A field that changes, and its other value.
    change: (&'static str, Value),
    /// A strategic patch and what comes of it, for kinds that have one.
    strategic: Option<(Value, &'static str, Value)>,
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn known() -> Vec<Known> {
    let object = |api_version: &str, kind: &str, rest: Value| {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": { "name": "a" },
        });
        object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        object
    };
    let labels = json!({ "app": "a" });
    let container = |name: &str, image: &str| json!({ "name": name, "image": image });
    let pods = |containers: Value| json!({ "metadata": { "labels": labels }, "spec": { "containers": containers } });
    let port = |number: u16, name: &str| json!({ "port": number, "name": name });
    let more_port = json!({ "name": "more", "port": 444, "protocol": "TCP" });
    let involved = json!({ "kind": "Secret", "namespace": DEMO, "name": "a" });
    let issuer = json!({ "spec": { "selfSigned": {} } });
    vec![
        Known {
            object: object("v1", "Namespace", json!({})),
            resource: "namespace",
            change: ("/metadata/annotations/some", json!("b")),
            strategic: Some((
                json!({ "metadata": { "labels": { "more": "c" } } }),
                "/metadata/labels/kubernetes.io~1metadata.name",
                json!("a"),
            )),
        },
        Known {
            object: object("v1", "Secret", json!({ "stringData": { "key": "value" } })),
            resource: "secret",
            change: ("/data/key", json!("Yg==")),
            strategic: Some((
                json!({ "data": { "more": "Yw==" } }),
                "/data",
                json!({ "key": "Yg==", "more": "Yw==" }),
            )),
        },
        Known {
            object: object("v1", "ConfigMap", json!({ "data": { "key": "a" } })),
            resource: "configmap",
            change: ("/data/key", json!("b")),
            strategic: Some((
                json!({ "data": { "more": "c", "key": null } }),
                "/data",
                json!({ "more": "c" }),
            )),
        },
        Known {
            object: object("v1", "Service", json!({ "spec": { "ports": [port(443, "one")] } })),
            resource: "service",
            change: ("/spec/ports/0/name", json!("b")),
            // By the port.
            strategic: Some((
                json!({ "spec": { "ports": [more_port] } }),
                "/spec/ports/1/port",
                json!(443),
            )),
        },
        Known {
            object: object(
                "v1",
                "Event",
                json!({ "involvedObject": involved, "reason": "a", "message": "a", "type": "Normal" }),
            ),
            resource: "event",
            change: ("/message", json!("b")),
            strategic: Some((json!({ "count": 2 }), "/message", json!("b"))),
        },
        Known {
            object: object(
                "apps/v1",
                "Deployment",
                json!({ "spec": {
                    "replicas": 1, "selector": { "matchLabels": labels },
                    "template": pods(json!([container("a", "a:1")])),
                } }),
            ),
            resource: "deployment",
            change: ("/spec/template/spec/containers/0/image", json!("a:2")),
            // By the name.
            strategic: Some((
                json!({ "spec": { "template": { "spec": {
                    "containers": [container("b", "b:1"), { "name": "a", "image": "a:3" }],
                } } } }),
                "/spec/template/spec/containers",
                json!([container("b", "b:1"), container("a", "a:3")]),
            )),
        },
        Known {
            object: object(
                "policy/v1",
                "PodDisruptionBudget",
                json!({ "spec": { "minAvailable": 1, "selector": { "matchLabels": labels } } }),
            ),
            resource: "poddisruptionbudget",
            change: ("/spec/minAvailable", json!(2)),
            strategic: Some((
                json!({ "spec": { "selector": { "matchLabels": { "more": "b" } } } }),
                "/spec/selector/matchLabels/app",
                json!("a"),
            )),
        },
        Known {
            object: object(
                "coordination.k8s.io/v1",
                "Lease",
                json!({ "spec": { "holderIdentity": "a" } }),
            ),
            resource: "lease",
            change: ("/spec/holderIdentity", json!("b")),
            strategic: Some((
                json!({ "spec": { "leaseDurationSeconds": 5 } }),
                "/spec/holderIdentity",
                json!("b"),
            )),
        },
        Known {
            object: object("cert-manager.io/v1", "Issuer", issuer.clone()),
            resource: "issuer",
            change: ("/spec/selfSigned/crlDistributionPoints", json!(["https://example.com"])),
            strategic: None,
        },
        Known {
            object: object("cert-manager.io/v1", "ClusterIssuer", issuer),
            resource: "clusterissuer",
            change: ("/spec/selfSigned/crlDistributionPoints", json!(["https://example.com"])),
            strategic: None,
        },
        Known {
            object: object(
                "cert-manager.io/v1",
                "Certificate",
                json!({ "spec": {
                    "secretName": "signed", "commonName": "a",
                    "issuerRef": { "name": "self", "kind": "ClusterIssuer" },
                    "privateKey": { "algorithm": "ECDSA", "size": 256 },
                } }),
            ),
            resource: "certificate",
            change: ("/spec/commonName", json!("b")),
            strategic: None,
        },
    ]
}

/// Sets a value, with what leads there.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let mut at = object;
    for step in pointer.split('/').skip(1) {
        at = match step.parse::<usize>() {
            Ok(index) => &mut at[index],
            Err(_) => &mut at[step],
        };
    }
    *at = value;
}

#[test]
fn every_other_kind_is_created_read_patched_applied_and_deleted() {
    let (_folder, server) = serve();
    let plane = Plane::of(&server);
    for Known { object, resource, change: (pointer, other), strategic } in known() {
        let of = format!("{resource}/a");
        let of = of.as_str();
        let read =
            || -> Value { serde_json::from_str(&plane.done(&["get", of, "-o=json"])).unwrap() };
        let made = plane.with_file(&["create"], &object);
        assert!(made.ends_with("/a created\n"), "{made}");
        assert_eq!(
            plane.done(&["get", resource, "a", "-o=name"]).trim().split('/').next_back(),
            Some("a")
        );
        let table = plane.done(&["get", of]);
        assert!(table.starts_with("NAME") || resource == "event", "{table}");
        if resource != "poddisruptionbudget" || plane.kubectl.describes_budgets() {
            assert!(plane.done(&["describe", of]).contains('a'));
        }
        assert!(read().pointer(pointer).is_none_or(|it| *it != other), "{of}");

        // Patched, in each of the forms.
        let label = json!({ "metadata": { "labels": { "kind": resource } } });
        plane.patch(of, "merge", &label).success();
        assert_eq!(
            plane
                .done(&["get", resource, "-l", &format!("kind={resource}"), "-o=name"])
                .lines()
                .count(),
            1
        );
        let test = json!([
            { "op": "test", "path": "/metadata/labels/kind", "value": resource },
            { "op": "add", "path": "/metadata/annotations", "value": { "by": "json" } },
        ]);
        plane.patch(of, "json", &test).success();
        assert_eq!(read()["metadata"]["annotations"]["by"], "json", "{of}");
        let again = json!([{ "op": "test", "path": "/metadata/labels/kind", "value": "other" }]);
        assert!(plane.patch(of, "json", &again).code != Some(0), "{of}");

        // Applied, by kubectl and by the server.
        let mut changed = object.clone();
        if let Some(text) = changed.as_object_mut().unwrap().remove("stringData") {
            drop(text);
            changed["data"] = json!({});
        }
        set(&mut changed, pointer, other.clone());
        plane.with_file(&["apply"], &changed);
        let seen = read();
        assert_eq!(seen.pointer(pointer), Some(&other), "{of}");
        assert_eq!(seen["metadata"]["labels"]["kind"], resource, "{of}: another's field stays");
        let said = plane.with_file(&["apply", "--server-side", "--force-conflicts"], &changed);
        assert!(said.ends_with("serverside-applied\n"), "{said}");
        // Patched by merge keys, where a kind has them.
        match strategic {
            Some((patch, pointer, wanted)) => {
                plane.patch(of, "strategic", &patch).success();
                assert_eq!(read().pointer(pointer), Some(&wanted), "{of}: {pointer}");
            }
            None => assert_ne!(plane.patch(of, "strategic", &label).code, Some(0), "{of}"),
        }

        // Deleted, while somebody waits for it.
        let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
        plane.patch(of, "merge", &held).success();
        plane.done(&["delete", of, "--wait=false"]);
        assert!(read()["metadata"]["deletionTimestamp"].is_string(), "{of}");
        let log = plane.env.path("wait.log");
        let wait = ["wait", "-n", DEMO, "--for=delete", of, "--timeout=60s", "-v=6"];
        let mut waiting =
            plane.kubectl.command(wait).stderr(File::create(&log).unwrap()).spawn().unwrap();
        eventually("kubectl to wait", || {
            fs::read_to_string(&log).unwrap().contains("watch=true").then_some(())
        });
        let none = json!({ "metadata": { "finalizers": null } });
        plane.patch(of, "merge", &none).success();
        assert!(waiting.wait().unwrap().success(), "{of}");
        assert_eq!(plane.done(&["get", of, "--ignore-not-found"]), "");
        // One that nobody holds.
        plane.with_file(&["create"], &object);
        plane.done(&["delete", of]);
        assert_eq!(plane.done(&["get", of, "--ignore-not-found"]), "");
    }
}
