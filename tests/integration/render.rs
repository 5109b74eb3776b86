//! What `kcpctl render` makes of objects of operator.kcp.io, held against expectations that
//! were typed by hand.
//!
//! The cases in `tests/golden/render` name every object and every field; `expect` says what
//! their short forms mean. `parity` asks the questions that kcp-operator's own tests ask of
//! what it renders. What must hold whatever is rendered stands here, and so does bad input.

mod differ;
mod expect;
mod parity;
mod run;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use self::differ::{differences, plain};
use self::expect::Case;
use self::run::{Rendered, items, strings};
use crate::support::{CommandOutput, TestEnv};

macro_rules! cases {
    ($($test:ident: $folder:literal,)*) => {
        $(#[test]
        fn $test() {
            hold($folder);
        })*

        const CASES: &[&str] = &[$($folder),*];
    };
}

cases! {
    a_root_shard_and_its_front_proxy: "root-shard",
    every_field_of_a_root_shard: "root-shard-full",
    cache_servers_of_several_versions: "cache-servers",
    every_field_of_a_cache_server: "cache-server-full",
    root_cas_that_were_brought_along: "ca-secrets",
    shards_of_several_versions: "shards",
    every_field_of_a_shard: "shard-full",
    front_proxies_of_several_versions_and_addresses: "front-proxies",
    every_field_of_a_front_proxy: "front-proxy-full",
    virtual_workspaces_of_a_root_shard_and_of_a_shard: "virtual-workspaces",
    every_field_of_a_virtual_workspace: "virtual-workspace-full",
    kubeconfigs_for_every_target: "kubeconfigs",
    what_the_production_profile_adds: "production",
    bundles_of_client_cas: "bundles",
}

#[test]
fn every_case_is_held() {
    let folders = std::fs::read_dir(expect::cases()).unwrap();
    let folders: BTreeSet<String> =
        folders.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, CASES.iter().map(|&it| it.to_owned()).collect());
}

fn run(case: &Case) -> CommandOutput {
    let mut args = vec!["render".to_owned(), "-o".to_owned(), "json".to_owned()];
    for input in &case.inputs {
        args.extend(["-f".to_owned(), input.to_str().unwrap().to_owned()]);
    }
    TestEnv::new().run(args)
}

/// Renders a case and shows every difference.
fn hold(name: &str) {
    let case = Case::read(name);
    let rendered = Rendered::read(run(&case));
    let mut wrong = Vec::new();
    for key in case.objects.keys().chain(rendered.objects.keys()).collect::<BTreeSet<_>>() {
        match (case.objects.get(key), rendered.objects.get(key)) {
            (Some(expected), Some(got)) => {
                let mut expected = expected.clone();
                plain(&mut expected);
                let lines = differences(&expected, got);
                wrong.extend(lines.iter().map(|line| format!("{key} {line}")));
            }
            (Some(_), None) => wrong.push(format!("{key} is expected, and not printed")),
            (None, _) => wrong.push(format!("{key} is printed, and not expected")),
        }
    }
    let said: BTreeSet<&str> =
        rendered.stderr.lines().filter(|it| it.starts_with("left out ")).collect();
    let expected: BTreeSet<String> = case
        .left_out
        .iter()
        .map(|(secret, parts)| {
            let parts: Vec<String> = parts.iter().map(|it| format!("Secret/{it}")).collect();
            format!("left out Secret/{secret}, which is made of {}", parts.join(", "))
        })
        .collect();
    let missing = expected.iter().filter(|it| !said.contains(&it[..]));
    wrong.extend(missing.map(|it| format!("stderr does not say: {it}")));
    let more = said.into_iter().filter(|it| !expected.contains(*it));
    wrong.extend(more.map(|it| format!("stderr says: {it}")));
    assert!(
        wrong.is_empty(),
        "{name}: {} differences\n  {}\nstderr:\n{}",
        wrong.len(),
        wrong.join("\n  "),
        rendered.stderr
    );
}

/// A case, what was rendered of it, and all that its input says.
struct Done {
    name: &'static str,
    case: Case,
    rendered: Rendered,
    said: String,
}

/// Every case.
static ALL: LazyLock<Vec<Done>> = LazyLock::new(|| {
    let done = CASES.iter().map(|&name| {
        let case = Case::read(name);
        let rendered = Rendered::read(run(&case));
        let said = case.inputs.iter().map(|it| std::fs::read_to_string(it).unwrap()).collect();
        Done { name, case, rendered, said }
    });
    done.collect()
});

/// Whether a text has a word of names.
fn says(text: &str, word: &str) -> bool {
    text.split(|it: char| it != '-' && !it.is_alphanumeric()).any(|it| it == word)
}

#[test]
fn what_a_pod_mounts_is_made_or_named_by_the_user() {
    for Done { name, case, rendered, said } in ALL.iter() {
        let certificates =
            rendered.objects.values().filter_map(|it| it["spec"]["secretName"].as_str());
        let made: BTreeSet<String> = certificates
            .map(|it| format!("Secret/{it}"))
            .chain(case.left_out.keys().map(|it| format!("Secret/{it}")))
            .chain(rendered.order.iter().cloned())
            .collect();
        for deployment in deployments(rendered) {
            for volume in items(&rendered.pod(&deployment)["volumes"]) {
                for (kind, source) in [
                    ("Secret", &volume["secret"]["secretName"]),
                    ("ConfigMap", &volume["configMap"]["name"]),
                ] {
                    let Some(source) = source.as_str() else { continue };
                    assert!(
                        made.contains(&format!("{kind}/{source}")) || says(said, source),
                        "{name}: Deployment/{deployment} mounts {kind} {source}, which is nowhere"
                    );
                }
            }
        }
    }
}

#[test]
fn arguments_and_kubeconfigs_name_files_that_are_mounted() {
    for Done { name, rendered, .. } in ALL.iter() {
        for deployment in deployments(rendered) {
            let pod = rendered.pod(&deployment);
            for container in items(&pod["containers"]).iter().chain(items(&pod["initContainers"])) {
                let mounts = rendered.mounts(&deployment, container);
                let mut paths: Vec<String> = strings(&container["args"])
                    .iter()
                    .filter_map(|it| Some(it.split_once("=/etc/")?.1))
                    .map(|it| format!("/etc/{it}"))
                    .collect();
                for source in mounts.values() {
                    if let Some(Value::Object(secret)) =
                        rendered.objects.get(&format!("Secret/{source}"))
                    {
                        let kubeconfig = &secret["data"]["kubeconfig"];
                        let user = &kubeconfig["users"][0]["user"];
                        for path in [
                            &kubeconfig["clusters"][0]["cluster"]["certificate-authority"],
                            &user["client-certificate"],
                            &user["client-key"],
                        ] {
                            paths.push(path.as_str().unwrap().to_owned());
                        }
                    }
                    if let Some(Value::Object(config)) =
                        rendered.objects.get(&format!("ConfigMap/{source}"))
                    {
                        for mapping in items(&config["data"]["path-mapping.yaml"]) {
                            for file in
                                ["backend_server_ca", "proxy_client_cert", "proxy_client_key"]
                            {
                                paths.push(mapping[file].as_str().unwrap().to_owned());
                            }
                        }
                    }
                }
                for path in paths {
                    let folder = path.rsplit_once('/').unwrap().0;
                    assert!(
                        mounts.contains_key(folder),
                        "{name}: {deployment}: {path} is in no mount of {}",
                        container["name"]
                    );
                }
            }
        }
    }
}

#[test]
fn whoever_is_dialled_has_that_name_in_a_certificate() {
    for Done { name, rendered, said, .. } in ALL.iter() {
        let names: BTreeSet<&str> =
            rendered.objects.values().flat_map(|it| strings(&it["spec"]["dnsNames"])).collect();
        let kubeconfigs = rendered
            .objects
            .values()
            .filter_map(|it| it["data"]["kubeconfig"]["clusters"][0]["cluster"]["server"].as_str());
        let backends = rendered
            .objects
            .values()
            .flat_map(|it| items(&it["data"]["path-mapping.yaml"]))
            .filter_map(|it| it["backend"].as_str())
            .filter(|it| !said.contains(&format!("backend: {it}")));
        for url in kubeconfigs.chain(backends) {
            let host = url.strip_prefix("https://").unwrap().split(':').next().unwrap();
            // Without a front-proxy of that name, somebody else answers there.
            assert!(names.contains(host), "{name}: no certificate for {url}");
        }
    }
}

#[test]
fn certificates_have_issuers_and_services_have_pods() {
    for Done { name, rendered, said, .. } in ALL.iter() {
        for (key, object) in &rendered.objects {
            if key.starts_with("Certificate/") {
                let issuer = object["spec"]["issuerRef"]["name"].as_str().unwrap();
                assert!(
                    rendered.objects.contains_key(&format!("Issuer/{issuer}"))
                        || says(said, issuer),
                    "{name}: {key} wants {issuer}"
                );
            }
            if key.starts_with("Service/") {
                let deployment = key.trim_start_matches("Service/");
                let deployment = rendered.get(&format!("Deployment/{deployment}"));
                let selector = object["spec"]["selector"].as_object().unwrap();
                assert_eq!(selector.len(), 4, "{name}: {key}");
                for labels in [
                    &deployment["spec"]["selector"]["matchLabels"],
                    &deployment["spec"]["template"]["metadata"]["labels"],
                ] {
                    assert!(
                        selector.iter().all(|(key, value)| labels[key] == *value),
                        "{name}: {key} selects other pods"
                    );
                }
            }
        }
    }
}

fn deployments(rendered: &Rendered) -> Vec<String> {
    let keys = rendered.order.iter();
    keys.filter_map(|it| it.strip_prefix("Deployment/")).map(str::to_owned).collect()
}

#[test]
fn what_others_need_is_printed_first_and_always_in_one_order() {
    let kinds = [
        "Issuer",
        "Certificate",
        "ConfigMap",
        "Secret",
        "Deployment",
        "Service",
        "PodDisruptionBudget",
    ];
    let rank = |key: &str| kinds.iter().position(|it| key.starts_with(&format!("{it}/")));
    for name in ["cache-server-full", "shards"] {
        let case = Case::read(name);
        let said = run(&case);
        assert_eq!(said.stdout, run(&case).stdout);
        let rendered = Rendered::read(said);
        // Where there are several components, each is by itself; Secrets do not say whose.
        let component = |key: &str| {
            let labels = &rendered.get(key)["metadata"]["labels"];
            let app =
                ["component", "instance"].map(|it| &labels[format!("app.kubernetes.io/{it}")]);
            app.map(|it| it.as_str().unwrap_or_default().to_owned())
        };
        for (at, key) in rendered.order.iter().enumerate() {
            for later in &rendered.order[at + 1..] {
                let one = name == "cache-server-full"
                    || component(key) == component(later) && !component(key)[0].is_empty();
                assert!(!one || rank(key) <= rank(later), "{key} comes before {later}");
            }
        }
    }
}

const CACHE: &str = "\
apiVersion: operator.kcp.io/v1alpha1
kind: CacheServer
metadata: {name: cache}
spec: {certificates: {issuerRef: {name: selfsigned}}}
";

#[test]
fn yaml_says_what_json_says() {
    let env = TestEnv::new();
    env.write("cache.yaml", CACHE);
    let json = Rendered::read(env.run(["render", "-f", "cache.yaml", "-o", "json"]));
    for args in [&["-f", "cache.yaml"] as &[&str], &["-f", ".", "-o", "yaml"]] {
        let yaml = Rendered::read_yaml(env.run(["render"].iter().chain(args)));
        assert_eq!(yaml.objects, json.objects);
        assert_eq!(yaml.order, json.order);
    }
}

#[test]
fn a_namespace_is_that_of_the_object_then_that_of_the_flag() {
    let env = TestEnv::new();
    env.write("cache.yaml", CACHE);
    env.write("mine.yaml", CACHE.replace("name: cache}", "name: mine, namespace: mine}"));
    for (flag, expected) in [(&[] as &[&str], "default"), (&["-n", "kcp"], "kcp")] {
        let args = ["render", "-f", "cache.yaml", "-f", "mine.yaml", "-o", "json"];
        let rendered = Rendered::read(env.run(args.iter().chain(flag)));
        assert_eq!(rendered.objects.len(), 14);
        for (key, object) in &rendered.objects {
            let expected = if key.contains("/mine-") { "mine" } else { expected };
            assert_eq!(object["metadata"]["namespace"], expected, "{key}");
        }
        let host = format!("cache-cache-server.{expected}.svc.cluster.local");
        assert!(rendered.dns_names("cache-server").contains(&&host[..]), "{host}");
    }
}

#[test]
fn an_owner_is_named_once_it_has_a_uid() {
    let env = TestEnv::new();
    env.write("cache.yaml", CACHE.replace("name: cache}", "name: cache, uid: 1-2-3}"));
    let rendered = Rendered::read(env.run(["render", "-f", "cache.yaml", "-o", "json"]));
    assert_eq!(rendered.objects.len(), 7);
    for (key, object) in &rendered.objects {
        assert_eq!(
            object["metadata"]["ownerReferences"],
            serde_json::json!([{
                "apiVersion": "operator.kcp.io/v1alpha1",
                "kind": "CacheServer",
                "name": "cache",
                "uid": "1-2-3",
                "controller": true,
                "blockOwnerDeletion": true,
            }]),
            "{key}"
        );
    }
}

#[test]
fn stdin_is_a_file_too() {
    let env = TestEnv::new();
    let file = env.write("cache.yaml", CACHE);
    let mut command = env.command(crate::support::KCPCTL);
    command.args(["render", "-f", "-", "-o", "json"]).stdin(std::fs::File::open(file).unwrap());
    assert_eq!(Rendered::read(CommandOutput::of(&mut command)).objects.len(), 7);
}

#[test]
fn other_objects_only_satisfy_references_and_are_not_printed() {
    let env = TestEnv::new();
    let issuer = "\
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: selfsigned}
spec: {selfSigned: {}}
";
    env.write("all.yaml", format!("{CACHE}---\n{issuer}"));
    let rendered = Rendered::read(env.run(["render", "-f", "all.yaml", "-o", "json"]));
    assert_eq!(rendered.objects.len(), 7, "{:?}", rendered.order);
}

#[test]
fn a_warning_is_said_and_refuses_nothing() {
    let env = TestEnv::new();
    env.write("cache.yaml", CACHE.replace("spec: {", "spec: {future: 1, "));
    let rendered = Rendered::read(env.run(["render", "-f", "cache.yaml", "-o", "json"]));
    assert_eq!(rendered.objects.len(), 7);
    assert!(rendered.stderr.contains("warning KCP0002 CacheServer/cache spec.future"));
}

#[test]
fn bad_input_is_refused_with_its_place_and_prints_nothing() {
    let shard = CACHE.replace("CacheServer", "Shard").replace(
        "spec: {certificates: {issuerRef: {name: selfsigned}}}",
        "spec: {rootShard: {ref: {name: gone}}, etcd: {endpoints: ['https://etcd:2379']}}",
    );
    for (manifest, expected) in [
        // No YAML.
        (CACHE.replace("}}}", "}}"), "KCP0027"),
        // No such kind.
        (CACHE.replace("CacheServer", "CacheServers"), "bad.yaml:2:7: error KCP0028"),
        // Another type than the schema has.
        (
            CACHE.replace("spec: {", "spec: {replicas: two, "),
            "error KCP0001 CacheServer/cache spec.replicas",
        ),
        // A required field is absent.
        (
            CACHE.replace("certificates: {issuerRef: {name: selfsigned}}", ""),
            "error KCP0001 CacheServer/cache spec.certificates: is required",
        ),
        // Without a spec.
        (CACHE.replace("spec: {certificates: {issuerRef: {name: selfsigned}}}\n", ""), "KCP0026"),
        // What is referred to is nowhere.
        (shard, "error KCP0008 Shard/cache spec.rootShard.ref: there is no RootShard `gone`"),
        // One embedded etcd each.
        (
            CACHE.replace("spec: {", "spec: {replicas: 2, "),
            "error KCP0009 CacheServer/cache spec.replicas",
        ),
        // Two that want the same objects.
        (format!("{CACHE}---\n{CACHE}"), "error KCP0005 CacheServer/cache"),
    ] {
        let env = TestEnv::new();
        env.write("bad.yaml", &manifest);
        for format in ["json", "yaml"] {
            let said = env.run(["render", "-f", "bad.yaml", "-o", format]);
            assert_eq!(said.code, Some(1), "{manifest}{said}");
            assert_eq!(said.stdout, "", "{manifest}");
            assert!(said.stderr.contains(expected), "{expected}: {manifest}{said}");
        }
    }
}

#[test]
fn nothing_to_render_is_an_error() {
    let env = TestEnv::new();
    std::fs::create_dir(env.path("empty")).unwrap();
    env.write("other.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: kcp}\n");
    for (input, error) in [
        ("empty", "there is no object in `empty`"),
        ("other.yaml", "there is no object of operator.kcp.io/v1alpha1"),
        ("gone", "failed to read `gone`"),
    ] {
        let said = env.run(["render", "-f", input]);
        assert_eq!((said.code, &said.stdout[..]), (Some(3), ""), "{input}: {said}");
        assert!(said.stderr.starts_with(&format!("error: {error}")), "{input}: {said}");
        assert!(said.stderr.contains("\nhint: "), "{input}: {said}");
    }
    assert_eq!(env.run(["render"]).code, Some(2));
}
