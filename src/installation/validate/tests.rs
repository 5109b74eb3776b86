//! Each rule against a sound installation in which one thing is wrong.

use serde_json::{Value, json};

use super::*;
use crate::api::read_documents;
use crate::installation::{Draft, Overrides, Profile, build, resolve};

/// A sound production installation, to be spoilt.
struct Spoilt(Vec<Value>);

impl Spoilt {
    fn new() -> Self {
        let flags = Overrides {
            name: Some("demo".to_owned()),
            profile: Some(Profile::Production),
            hostname: Some("kcp.example.com".to_owned()),
            ..Overrides::default()
        };
        let topology = resolve(Draft::empty(), &flags).unwrap();
        let manifests = build(&topology).unwrap();
        Self(manifests.iter().map(|it| serde_json::to_value(&it.tree).unwrap()).collect())
    }

    fn object(&mut self, subject: &str) -> &mut Value {
        let (kind, name) = subject.split_once('/').unwrap();
        let mut objects = self.0.iter_mut();
        objects.find(|it| it["kind"] == kind && it["metadata"]["name"] == name).unwrap()
    }

    /// Sets a field; the last key of `pointer` may be new.
    fn set(mut self, subject: &str, pointer: &str, value: Value) -> Self {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        self.object(subject).pointer_mut(parent).unwrap()[key] = value;
        self
    }

    fn remove(mut self, subject: &str) -> Self {
        let (kind, name) = subject.split_once('/').unwrap();
        self.0.retain(|it| it["kind"] != kind || it["metadata"]["name"] != name);
        self
    }

    fn copy(mut self, subject: &str, name: &str) -> Self {
        let mut object = self.object(subject).clone();
        object["metadata"]["name"] = name.into();
        self.0.push(object);
        self
    }

    /// A copy of a shard with an etcd of its own.
    fn shard(self, name: &str) -> Self {
        let endpoint = format!("https://own-{}:2379", self.0.len());
        self.copy("Shard/shard-1", name).set(
            &format!("Shard/{name}"),
            "/spec/etcd/endpoints",
            json!([endpoint]),
        )
    }

    fn findings(self) -> Vec<Finding> {
        let objects: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        let text = format!("---\n{}", objects.join("\n---\n"));
        validate(&read_documents(&text, "all.yaml").unwrap())
    }

    #[track_caller]
    fn finds(self, expected: &[&str]) {
        let found: Vec<String> = self.findings().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    /// The one finding is a trouble of the operator alone, or of everybody.
    #[track_caller]
    fn blames_the_operator_alone(self, expected: bool) {
        let found = self.findings();
        let [finding] = &found[..] else { panic!("{found:#?}") };
        assert_eq!(finding.operator_only, expected, "{finding}");
    }
}

#[test]
fn a_sound_installation_has_no_findings() {
    Spoilt::new().finds(&[]);
}

#[test]
fn names_leave_room_for_the_operators_longer_ones() {
    Spoilt::new()
        .shard("a-name-of-nineteen1")
        .finds(&["KCP0004 Shard/a-name-of-nineteen1: metadata.name: the name has 19 characters, \
         the operator can manage 18"]);
    Spoilt::new().shard("a-name-of-eighteen").finds(&[]);
    Spoilt::new().copy("FrontProxy/main", &"x".repeat(30)).finds(&[]);
    let long = "x".repeat(31);
    Spoilt::new().copy("FrontProxy/main", &long).finds(&[&format!(
        "KCP0004 FrontProxy/{long}: metadata.name: the names of the front-proxy and of its root \
         shard `root` have 35 characters together, the operator can manage 34"
    )]);
    let long = "x".repeat(31);
    Spoilt::new().copy("CacheServer/cache", &long).finds(&[&format!(
        "KCP0004 CacheServer/{long}: metadata.name: the name has 31 characters, \
         the operator can manage 30"
    )]);
    for name in ["1st", "Upper", "under_score", "dot.ted", "end-"] {
        Spoilt::new().shard(name).finds(&[&format!(
            "KCP0003 Shard/{name}: metadata.name: `{name}` is no name for a Service"
        )]);
    }
}

#[test]
fn no_two_objects_make_the_same_thing() {
    Spoilt::new().copy("Shard/shard-1", "shard-1").finds(&[
        "KCP0005 Shard/shard-1: metadata.name: there is a second one at all.yaml:26:1",
        "KCP0013 Shard/shard-1: spec.etcd.prefix: Shard/shard-1 stores below `/registry` of the \
         etcd at https://etcd-shard-1.demo.svc.cluster.local:2379 too (here `/registry`): each \
         would write over the other's data",
    ]);
    Spoilt::new().shard("cache").finds(&[
        "KCP0006 Shard/cache: metadata.name: CacheServer/cache makes a Secret `cache-server` too, \
         and each would overwrite the other's",
    ]);
    Spoilt::new()
        .copy("FrontProxy/main", "proxy")
        .finds(&["KCP0006 FrontProxy/proxy: metadata.name: RootShard/root makes a Secret \
         `root-proxy-dynamic-kubeconfig` too, and each would overwrite the other's"]);
    Spoilt::new().shard("root-main").finds(&[
        "KCP0006 Shard/root-main: metadata.name: FrontProxy/main makes a Secret `root-main-server` \
         too, and each would overwrite the other's",
    ]);
    Spoilt::new()
        .copy("Kubeconfig/admin", "second")
        .finds(&["KCP0006 Kubeconfig/second: metadata.name: Kubeconfig/admin makes a Secret \
         `admin-kubeconfig` too, and each would overwrite the other's"]);
}

#[test]
fn every_reference_names_something() {
    let nothing = json!({ "name": "gone" });
    Spoilt::new()
        .set("Shard/shard-1", "/spec/cache/ref", nothing.clone())
        .finds(&["KCP0008 Shard/shard-1: spec.cache.ref: there is no CacheServer `gone`"]);
    Spoilt::new()
        .set("Shard/shard-1", "/spec/rootShard/ref", nothing.clone())
        .finds(&["KCP0008 Shard/shard-1: spec.rootShard.ref: there is no RootShard `gone`"]);
    Spoilt::new()
        .set("Shard/shard-1", "/spec/rootShard", json!({}))
        .finds(&["KCP0007 Shard/shard-1: spec.rootShard.ref: no root shard is named"]);
    let target = json!({ "shardRef": nothing });
    Spoilt::new()
        .set("Kubeconfig/admin", "/spec/target", target)
        .finds(&["KCP0008 Kubeconfig/admin: spec.target.shardRef: there is no Shard `gone`"]);
    Spoilt::new()
        .set("Kubeconfig/admin", "/spec/target", json!({}))
        .finds(&["KCP0015 Kubeconfig/admin: spec.target: expected exactly one target, found none"]);
    Spoilt::new()
        .set("Kubeconfig/admin", "/spec/target/rootShardRef", json!({ "name": "root" }))
        .finds(&["KCP0015 Kubeconfig/admin: spec.target: expected exactly one target, found 2"]);
    // Another namespace is another world.
    Spoilt::new().set("CacheServer/cache", "/metadata/namespace", json!("other")).finds(&[
        "KCP0008 RootShard/root: spec.cache.ref: there is no CacheServer `cache`",
        "KCP0008 Shard/shard-1: spec.cache.ref: there is no CacheServer `cache`",
        "KCP0008 Shard/shard-2: spec.cache.ref: there is no CacheServer `cache`",
    ]);
}

#[test]
fn all_shards_see_one_cache() {
    let own = json!({ "ref": { "name": "second" } });
    // On one etcd two cache servers are one cache.
    Spoilt::new()
        .copy("CacheServer/cache", "second")
        .set("Shard/shard-2", "/spec/cache", own.clone())
        .finds(&[]);
    Spoilt::new()
        .copy("CacheServer/cache", "second")
        .set("CacheServer/second", "/spec/etcd/endpoints", json!(["https://other:2379"]))
        .set("Shard/shard-2", "/spec/cache", own)
        .finds(&[
            "KCP0010 Shard/shard-2: spec.cache.ref: the shard would use `second`, its root shard \
             uses `cache`, and the two do not share an etcd: neither shard would see what the \
             other writes",
        ]);
    Spoilt::new().set("RootShard/root", "/spec/cache", json!({})).finds(&[
        "KCP0010 Shard/shard-1: spec.cache.ref: the shard would use `cache`, its root shard uses \
         the cache embedded in the root shard, and the two do not share an etcd: neither shard \
         would see what the other writes",
        "KCP0010 Shard/shard-2: spec.cache.ref: the shard would use `cache`, its root shard uses \
         the cache embedded in the root shard, and the two do not share an etcd: neither shard \
         would see what the other writes",
    ]);
}

#[test]
fn no_etcd_loses_data() {
    let mut spoilt = Spoilt::new();
    spoilt.object("CacheServer/cache")["spec"].as_object_mut().unwrap().remove("etcd");
    spoilt.finds(&[
        "KCP0009 CacheServer/cache: spec.replicas: 2 replicas with an embedded etcd: each would \
         hold a cache of its own, and lose it with its pod",
    ]);
    let etcd = |prefix: &str| {
        json!({
            "endpoints": ["https://etcd-root.demo.svc.cluster.local:2379"],
            "tlsConfig": { "secretRef": { "name": "etcd" } },
            "prefix": prefix,
        })
    };
    Spoilt::new().set("Shard/shard-1", "/spec/etcd", etcd("/shard-1")).finds(&[]);
    Spoilt::new().set("CacheServer/cache", "/spec/etcd", etcd("/registry")).finds(&[]);
    for prefix in ["/registry", "/registry/", "/registry/deep", "/"] {
        Spoilt::new().set("Shard/shard-1", "/spec/etcd", etcd(prefix)).finds(&[&format!(
            "KCP0013 Shard/shard-1: spec.etcd.prefix: RootShard/root stores below `/registry` of \
             the etcd at https://etcd-root.demo.svc.cluster.local:2379 too (here `{prefix}`): each \
             would write over the other's data"
        )]);
    }
    Spoilt::new().set("Shard/shard-1", "/spec/etcd", etcd("shard")).finds(&[
        "KCP0011 Shard/shard-1: spec.etcd.prefix: the prefix `shard` does not begin with `/`",
    ]);
}

#[test]
fn a_cache_inside_the_root_shard_shares_its_etcd_and_not_its_keys() {
    let embedded = || {
        let mut spoilt = Spoilt::new();
        for subject in ["RootShard/root", "Shard/shard-1", "Shard/shard-2"] {
            spoilt.object(subject)["spec"]["cache"] = json!({});
        }
        spoilt.remove("CacheServer/cache")
    };
    // Three replicas, one etcd: one cache.
    embedded().finds(&[]);
    embedded().set("RootShard/root", "/spec/etcd/prefix", json!("/registry")).finds(&[]);
    embedded().set("RootShard/root", "/spec/etcd/prefix", json!("/mine")).finds(&[
        "KCP0025 RootShard/root: spec.etcd.prefix: the cache inside the root shard would store \
         below `/mine` too, and the shard would take what is cached there for objects of its own",
    ]);
    let roots = json!(["https://etcd-root.demo.svc.cluster.local:2379"]);
    embedded()
        .set("Shard/shard-1", "/spec/etcd/endpoints", roots)
        .set("Shard/shard-1", "/spec/etcd/prefix", json!("/cache/shard-1"))
        .finds(&[
            "KCP0013 Shard/shard-1: spec.etcd.prefix: the cache inside RootShard/root stores \
         below `/cache` of the etcd at https://etcd-root.demo.svc.cluster.local:2379 too (here \
         `/cache/shard-1`): each would write over the other's data",
        ]);
}

#[test]
fn etcd_endpoints_are_urls_and_fit_their_certificate() {
    let endpoints =
        |value: Value| Spoilt::new().set("Shard/shard-1", "/spec/etcd/endpoints", value);
    endpoints(json!([]))
        .finds(&["KCP0011 Shard/shard-1: spec.etcd.endpoints: no member of etcd is named"]);
    endpoints(json!(["https://[2001:db8::1]:2379", "https://10.0.0.1:2379"])).finds(&[]);
    for wrong in ["https://a", "https://a:0", "https://a:99999", "https://a:2379/x", "https://:1"] {
        endpoints(json!([wrong])).finds(&[&format!(
            "KCP0011 Shard/shard-1: spec.etcd.endpoints[0]: `{wrong}` is no URL of an etcd member"
        )]);
    }
    endpoints(json!(["https://a:2379", "http://b:2379"])).finds(&[
        "KCP0012 Shard/shard-1: spec.etcd.endpoints: some members are reached with TLS and others \
         without",
    ]);
    endpoints(json!(["http://b:2379"])).finds(&[
        "KCP0012 Shard/shard-1: spec.etcd.tlsConfig: there is a client certificate, but the \
         endpoints are reached without TLS",
    ]);
}

#[test]
fn access_is_neither_too_short_nor_to_nowhere() {
    Spoilt::new().set("Kubeconfig/admin", "/spec/validity", json!("59m59s")).finds(&[
        "KCP0014 Kubeconfig/admin: spec.validity: `59m59s` is less than an hour, which cert-manager \
         does not grant",
    ]);
    for (validity, operator_only) in [("59m", true), ("10s", true), ("9s", false)] {
        Spoilt::new()
            .set("Kubeconfig/admin", "/spec/validity", json!(validity))
            .blames_the_operator_alone(operator_only);
    }
    Spoilt::new().set("Kubeconfig/admin", "/spec/validity", json!("1h")).finds(&[]);
    let template = json!({ "server": { "spec": { "duration": "-2h" } } });
    Spoilt::new().set("Shard/shard-1", "/spec/certificateTemplates", template).finds(&[
        "KCP0014 Shard/shard-1: spec.certificateTemplates.server.spec.duration: `-2h` is less than \
         ten seconds, which no issuer grants",
    ]);
    Spoilt::new().set("Kubeconfig/admin", "/spec/groups", json!(["system:masters"])).finds(&[
        "KCP0024 Kubeconfig/admin: spec.groups: a front-proxy drops the group `system:masters`",
    ]);
    let missing = "KCP0016 RootShard/root: spec.external: no front-proxy answers at \
                   `kcp.example.com:6443`: workspaces would never be scheduled";
    Spoilt::new().remove("FrontProxy/main").remove("Kubeconfig/admin").finds(&[missing]);
    Spoilt::new()
        .set("FrontProxy/main", "/spec/external/hostname", json!("other.example.com"))
        .finds(&[missing]);
    let mut inherits = Spoilt::new();
    inherits.object("FrontProxy/main")["spec"].as_object_mut().unwrap().remove("external");
    inherits.finds(&[]);
    Spoilt::new()
        .set("RootShard/root", "/spec/external/privateHostname", json!("https://kcp"))
        .set("RootShard/root", "/spec/external/privatePort", json!(0))
        .finds(&[
            "KCP0018 RootShard/root: spec.external.privateHostname: `https://kcp` is no host name",
            "KCP0018 RootShard/root: spec.external.privatePort: 0 is no port",
        ]);
}

#[test]
fn the_root_ca_comes_from_one_place() {
    let certificates =
        |subject: &str, value: Value| Spoilt::new().set(subject, "/spec/certificates", value);
    let secret = |name: &str| json!({ "caSecretRef": { "name": name } });
    certificates("RootShard/root", json!({})).finds(&[
        "KCP0017 RootShard/root: spec.certificates: nothing says where the root CA comes from",
    ]);
    certificates("RootShard/root", secret("root-ca")).finds(&[]);
    certificates("RootShard/root", secret("mine")).finds(&[
        "KCP0017 RootShard/root: spec.certificates.caSecretRef: the pods look for the CA in a \
         Secret `root-ca`, which nobody would make",
    ]);
    certificates("CacheServer/cache", secret("cache-ca")).finds(&[
        "KCP0017 CacheServer/cache: spec.certificates.caSecretRef: the operator cannot make a \
         cache server from a CA Secret: it stops in every attempt",
    ]);
    let both = json!({ "caSecretRef": { "name": "a" }, "issuerRef": { "name": "b" } });
    certificates("RootShard/root", both).finds(&[
        "KCP0017 RootShard/root: spec.certificates: `issuerRef` and `caSecretRef` are both set: \
         one CA would sign and the other be trusted",
    ]);
}

#[test]
fn versions_services_and_fields_do_what_they_say() {
    Spoilt::new().set("CacheServer/cache", "/spec/image/tag", json!("v0.30.3")).finds(&[
        "KCP0020 CacheServer/cache: spec.image.tag: the cache server of kcp 0.30.3 cannot store in \
         an etcd of its own",
    ]);
    Spoilt::new().set("Shard/shard-1", "/spec/image/tag", json!("v0.30.1")).finds(&[
        "KCP0020 Shard/shard-1: spec.image.tag: kcp 0.30.1 is too old: its shards show a cache \
         server no certificate",
    ]);
    Spoilt::new().set("CacheServer/cache", "/spec/etcd/prefix", json!("/mine")).finds(&[
        "KCP0024 CacheServer/cache: spec.etcd.prefix: the cache server of kcp 0.32.3 ignores \
         `/mine` and stores below `/cache`: another installation's cache in this etcd would be \
         mixed with it",
    ]);
    let template = json!({ "spec": { "type": "LoadBalancer" } });
    Spoilt::new().set("Shard/shard-1", "/spec/serviceTemplate", template).finds(&[
        "KCP0021 Shard/shard-1: spec.serviceTemplate.spec.type: the operator never comes to rest \
         on a Service of type `LoadBalancer` here",
    ]);
    Spoilt::new().set("RootShard/root", "/spec/cache/embedded", json!({ "enabled": true })).finds(
        &["KCP0024 RootShard/root: spec.cache.embedded: the operator ignores this: the cache is \
         embedded unless `ref` is set"],
    );
    Spoilt::new().set("Shard/shard-1", "/spec/replica", json!(3)).finds(&[
        "KCP0002 Shard/shard-1: spec.replica: the field is not known, and a server would drop it",
    ]);
    let logging = json!({ "level": 12 });
    Spoilt::new()
        .set("Shard/shard-1", "/spec/logging", logging)
        .finds(&["KCP0001 Shard/shard-1: spec.logging.level: 12 is more than 10"]);
}

#[test]
fn fields_that_the_operator_gets_wrong_are_named() {
    let oidc =
        json!({ "issuerURL": "https://a", "clientID": "kcp", "caFileRef": { "name": "ca" } });
    let auth = json!({
        "oidc": oidc,
        "serviceAccount": { "enabled": true },
        "dropGroups": ["a", "b"],
        "passOnGroups": ["one"],
    });
    Spoilt::new().set("FrontProxy/main", "/spec/auth", auth).finds(&[
        "KCP0024 FrontProxy/main: spec.auth.oidc.caFileRef.key: without a key the operator names a \
         folder where kcp needs a file",
        "KCP0024 FrontProxy/main: spec.auth.dropGroups: the operator hands several groups to kcp \
         as one group with commas in its name, so none of them is matched",
    ]);
    let audit = json!({ "webhook": { "truncateMaxEventSize": 1024 } });
    Spoilt::new().set("Shard/shard-1", "/spec/audit", audit).finds(&[
        "KCP0024 Shard/shard-1: spec.audit.webhook.truncateMaxEventSize: the operator passes this \
         as a flag that kcp does not know, and kcp does not start",
    ]);
    Spoilt::new().set("Shard/shard-1", "/spec/auth", json!({ "dropGroups": ["a"] })).finds(&[
        "KCP0024 Shard/shard-1: spec.auth.dropGroups: shards neither drop nor pass on groups: only \
         front-proxies do",
    ]);
    Spoilt::new().set("CacheServer/cache", "/spec/image/tag", json!("v0.32.3-fips")).finds(&[
        "KCP0020 CacheServer/cache: spec.image.tag: the operator takes `v0.32.3-fips` for a version \
         before 0.30.2, and starts the cache server without the client CA that it asks for",
    ]);
}

#[test]
fn what_only_the_operator_gets_wrong_is_told_from_the_rest() {
    let own = json!({ "caSecretRef": { "name": "mine" } });
    let both = json!({ "caSecretRef": { "name": "mine" }, "issuerRef": { "name": "selfsigned" } });
    let hook = json!({ "webhook": { "truncateMaxEventSize": 7 } });
    let groups = json!({ "dropGroups": ["a", "b"] });
    let tokens = json!({ "enabled": true });
    let oidc = json!({ "issuerURL": "https://id", "clientID": "a", "caFileRef": { "name": "ca" } });
    let oidc = json!({ "oidc": oidc, "serviceAccount": tokens });
    let balanced = json!({ "spec": { "type": "LoadBalancer" } });
    for (subject, pointer, value, alone) in [
        ("RootShard/root", "/spec/certificates", own.clone(), true),
        ("RootShard/root", "/spec/certificates", both, true),
        ("CacheServer/cache", "/spec/certificates", own, true),
        ("CacheServer/cache", "/spec/certificates", json!({}), false),
        ("CacheServer/cache", "/spec/image/tag", json!("v0.33.0-rc.1"), true),
        ("CacheServer/cache", "/spec/image/tag", json!("v0.29.0"), false),
        ("RootShard/root", "/spec/clusterDomain", json!("corp"), true),
        ("Shard/shard-1", "/spec/audit", hook, true),
        ("Shard/shard-1", "/spec/auth", oidc, true),
        ("Shard/shard-1", "/spec/serviceTemplate", balanced, true),
        ("FrontProxy/main", "/spec/auth", groups, true),
        ("FrontProxy/main", "/spec/replicas", json!(-1), false),
    ] {
        Spoilt::new().set(subject, pointer, value).blames_the_operator_alone(alone);
    }
    // What Kubernetes and cert-manager have room for is ours to make.
    for (subject, most, over) in
        [("Shard/shard-1", 27, 28), ("CacheServer/cache", 50, 51), ("FrontProxy/main", 39, 40)]
    {
        let copy = |length: usize| {
            let name = "x".repeat(length);
            let kind = subject.split('/').next().unwrap();
            if kind == "Shard" {
                Spoilt::new().shard(&name)
            } else {
                Spoilt::new().copy(subject, &name)
            }
        };
        copy(most).blames_the_operator_alone(true);
        copy(over).blames_the_operator_alone(false);
    }
}

#[test]
fn to_kcp_every_root_shard_is_root() {
    Spoilt::new().shard("root").finds(&[
        "KCP0019 Shard/root: metadata.name: kcp calls every root shard `root`, so this shard would \
         write over its data in the cache",
        "KCP0006 Shard/root: metadata.name: RootShard/root makes a Secret `root-client` too, and \
         each would overwrite the other's",
    ]);
    Spoilt::new()
        .copy("RootShard/root", "other")
        .set("RootShard/other", "/spec/etcd/endpoints", json!(["https://other:2379"]))
        .copy("FrontProxy/main", "second")
        .set("FrontProxy/second", "/spec/rootShard/ref/name", json!("other"))
        .finds(&[
            "KCP0019 RootShard/other: spec.cache.ref: RootShard/root uses CacheServer/cache too, \
             and both are `root` there: each would write over the other's data",
        ]);
}

#[test]
fn a_template_that_replaces_names_keeps_the_one_that_others_dial() {
    let template = |names: Value| {
        json!({ "server": { "spec": {
            "issuerRef": { "name": "corporate" }, "dnsNames": names,
        } } })
    };
    for (subject, path, at, host) in [
        ("CacheServer/cache", "/spec/certificateTemplates", "spec", "cache-cache-server"),
        ("RootShard/root", "/spec/certificateTemplates", "spec", "root-kcp"),
        ("RootShard/root", "/spec/proxy/certificateTemplates", "spec.proxy", "root-proxy"),
        ("Shard/shard-1", "/spec/certificateTemplates", "spec", "shard-1-shard-kcp"),
    ] {
        let host = format!("{host}.demo.svc.cluster.local");
        Spoilt::new().set(subject, path, template(json!(["kcp.example.com"]))).finds(&[&format!(
            "KCP0030 {subject}: {at}.certificateTemplates.server.spec.dnsNames: with an issuer of \
             its own these names replace the generated ones, and `{host}`, which others dial, is \
             not among them"
        )]);
        let all = json!(["kcp.example.com", host]);
        Spoilt::new().set(subject, path, template(all)).finds(&[]);
        Spoilt::new().set(subject, path, template(json!([]))).finds(&[]);
    }
}
