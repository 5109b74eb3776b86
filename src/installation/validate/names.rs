//! Names: what Kubernetes takes, and what the operator's longer names leave room for.

use std::collections::BTreeSet;

use super::{World, name};
use crate::api::{Object, names};
use crate::installation::collide::longest_name;
use crate::installation::finding::{Code, Finding, Subject};

/// The longest label value, which the operator makes of a kubeconfig's name.
const LABEL_LEN_MAX: usize = 63;
/// The longest name of a Service or a volume.
const DNS_LABEL_LEN_MAX: usize = 63;
/// The longest common name of a certificate.
const COMMON_NAME_LEN_MAX: usize = 64;
/// The longest volume that is named after a root shard and a front-proxy, which may be `proxy`.
const DYNAMIC_KUBECONFIG: &str = "--dynamic-kubeconfig";
/// The longest name that kcp takes for a shard; the root shard is always `root`.
const ROOT: &str = "root";

pub(super) fn check(world: &World<'_>, findings: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for document in world.documents {
        let object = &document.object;
        let subject = Subject::of(object);
        if object.name().is_empty() {
            continue; // nothing of the operator's
        }
        if !seen.insert(subject.clone()) {
            findings.push(Finding::error(
                Code::Duplicate,
                &subject,
                "metadata.name",
                format!("there is a second one at {}", document.source),
                "remove one of the two, or give it another name",
            ));
            continue;
        }
        if let Some(finding) = shape(object, &subject).or_else(|| length(object, &subject)) {
            findings.push(finding);
        }
    }
    for proxy in &world.proxies {
        let Some(root) = &proxy.spec.root_shard.reference else { continue };
        let most = longest_name(&names::FRONT_PROXY_CERTIFICATES) - 1;
        let both = name(*proxy).len() + root.name.len();
        if both > most {
            let finding = Finding::error(
                Code::NameLength,
                Subject::typed(*proxy),
                "metadata.name",
                format!(
                    "the names of the front-proxy and of its root shard `{}` have {both} characters \
                     together, the operator can manage {most}",
                    root.name
                ),
                "give one of them a shorter name",
            );
            let fits = both + DYNAMIC_KUBECONFIG.len() <= DNS_LABEL_LEN_MAX;
            findings.push(if fits { finding.operator_only() } else { finding });
        }
    }
    for shard in world.shards.iter().filter(|it| name(**it) == ROOT) {
        findings.push(Finding::error(
            Code::ShardIdentity,
            Subject::typed(*shard),
            "metadata.name",
            "kcp calls every root shard `root`, so this shard would write over its data in the cache",
            "give the shard another name",
        ));
    }
}

fn shape(object: &Object, subject: &Subject) -> Option<Finding> {
    object.kind()?;
    let name = object.name();
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    let legal = bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|&b| word(b))
        && bytes.iter().all(|&b| word(b) || b == b'-');
    (!legal).then(|| {
        Finding::error(
            Code::NameShape,
            subject,
            "metadata.name",
            format!("`{name}` is no name for a Service"),
            "use lowercase letters, digits and `-`, beginning with a letter and not ending with `-`",
        )
    })
}

fn length(object: &Object, subject: &Subject) -> Option<Finding> {
    let most = match object {
        Object::RootShard(_) => longest_name(&names::ROOT_SHARD_CERTIFICATES),
        Object::Shard(_) => longest_name(&names::SHARD_CERTIFICATES),
        Object::CacheServer(_) => longest_name(&names::CACHE_SERVER_CERTIFICATES),
        Object::VirtualWorkspace(_) => longest_name(&names::VIRTUAL_WORKSPACE_CERTIFICATES),
        Object::Kubeconfig(_) => LABEL_LEN_MAX,
        Object::FrontProxy(_) | Object::Other { .. } => return None,
    };
    let length = object.name().len();
    (length > most).then(|| {
        let finding = Finding::error(
            Code::NameLength,
            subject,
            "metadata.name",
            format!("the name has {length} characters, the operator can manage {most}"),
            "give it a shorter name",
        );
        if length <= room(object) { finding.operator_only() } else { finding }
    })
}

/// How long a name may be before Kubernetes or cert-manager refuses what is made from it.
fn room(object: &Object) -> usize {
    let service = |name: String| DNS_LABEL_LEN_MAX - name.len();
    match object {
        // A volume of the internal proxy.
        Object::RootShard(_) => DNS_LABEL_LEN_MAX - DYNAMIC_KUBECONFIG.len() - "proxy".len(),
        Object::Shard(_) => {
            COMMON_NAME_LEN_MAX - names::SHARD_CERTIFICATES[6].len() - "-shard-".len()
        }
        Object::CacheServer(_) => service(names::cache_server("")),
        Object::VirtualWorkspace(_) => service(names::virtual_workspace_server("")),
        Object::FrontProxy(_) => service(names::front_proxy_server("")),
        Object::Kubeconfig(_) | Object::Other { .. } => LABEL_LEN_MAX,
    }
}
