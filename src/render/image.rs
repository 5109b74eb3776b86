//! The image of a server, and what its version can do.

use k8s_openapi::api::core::v1::LocalObjectReference;

use crate::api::{ImageSpec, KcpVersion};

/// The image of kcp's own releases.
const REPOSITORY: &str = "ghcr.io/kcp-dev/kcp";

/// An image to run.
pub(super) struct Image {
    /// Repository and tag.
    pub(super) name: String,
    /// Secrets to pull it with.
    pub(super) pull_secrets: Vec<LocalObjectReference>,
    /// The version in the tag; nothing is known of `main` or `latest`, which are taken for new.
    version: Option<KcpVersion>,
}

impl Image {
    pub(super) fn of(spec: Option<&ImageSpec>) -> Self {
        let filled = |it: Option<&String>| it.filter(|it| !it.is_empty()).cloned();
        let repository = filled(spec.and_then(|it| it.repository.as_ref()));
        let tag = filled(spec.and_then(|it| it.tag.as_ref()));
        let tag = tag.unwrap_or_else(|| KcpVersion::DEFAULT.tag());
        Self {
            name: format!("{}:{tag}", repository.as_deref().unwrap_or(REPOSITORY)),
            pull_secrets: spec.map(|it| it.image_pull_secrets.clone()).unwrap_or_default(),
            version: KcpVersion::of_tag(&tag),
        }
    }

    /// Whether mounted workspaces come back through a proxy with a certificate of their own.
    pub(super) fn mounts_through_proxy(&self) -> bool {
        const BACKPORT: KcpVersion = KcpVersion::new(0, 31, 6);
        const NEXT: KcpVersion = KcpVersion::new(0, 32, 0);
        const SINCE: KcpVersion = KcpVersion::new(0, 32, 3);
        self.version.is_none_or(|it| it >= SINCE || (BACKPORT..NEXT).contains(&it))
    }

    /// Whether a cache server asks its clients who they are.
    pub(super) fn authenticates_cache_clients(&self) -> bool {
        const BACKPORTS: [(KcpVersion, KcpVersion); 2] = [
            (KcpVersion::new(0, 29, 2), KcpVersion::new(0, 30, 0)),
            (KcpVersion::new(0, 30, 2), KcpVersion::new(0, 31, 0)),
        ];
        const SINCE: KcpVersion = KcpVersion::new(0, 31, 0);
        self.version.is_none_or(|it| {
            it >= SINCE || BACKPORTS.iter().any(|(from, next)| (*from..*next).contains(&it))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged(tag: &str) -> Image {
        Image::of(Some(&ImageSpec { tag: Some(tag.to_owned()), ..ImageSpec::default() }))
    }

    #[test]
    fn each_part_of_an_image_has_a_default() {
        assert_eq!(Image::of(None).name, "ghcr.io/kcp-dev/kcp:v0.32.3");
        assert_eq!(tagged("main").name, "ghcr.io/kcp-dev/kcp:main");
        assert_eq!(tagged("").name, "ghcr.io/kcp-dev/kcp:v0.32.3");
        let spec =
            ImageSpec { repository: Some("registry/kcp".to_owned()), ..ImageSpec::default() };
        assert_eq!(Image::of(Some(&spec)).name, "registry/kcp:v0.32.3");
    }

    #[test]
    fn mounts_go_through_proxies_since_0_32_3_and_the_backport_in_0_31_6() {
        for (tag, supported) in [
            ("v0.30.3", false),
            ("v0.31.5", false),
            ("v0.31.6", true),
            ("v0.31.99", true),
            ("v0.32.0", false),
            ("v0.32.2", false),
            ("v0.32.3", true),
            ("v0.33.0", true),
            // A pre-release counts as its release, whatever SemVer says of its order.
            ("v0.33.0-rc.1", true),
            ("v0.32.3-fips", true),
            ("v0.32.2-rc.1", false),
            ("v0.32", false),
            ("v0.33", true),
            ("main", true),
            ("latest", true),
            ("0123abc", true),
        ] {
            assert_eq!(tagged(tag).mounts_through_proxy(), supported, "{tag}");
        }
        assert!(Image::of(None).mounts_through_proxy());
    }

    #[test]
    fn caches_authenticate_their_clients_since_0_31_and_its_backports() {
        for (tag, authenticates) in [
            ("v0.28.9", false),
            ("v0.29.1", false),
            ("v0.29.2", true),
            ("v0.30.0", false),
            ("v0.30.1", false),
            ("v0.30.2", true),
            ("v0.31.0", true),
            ("v0.31.0-rc.0", true),
            ("v0.32.3", true),
            ("main", true),
        ] {
            assert_eq!(tagged(tag).authenticates_cache_clients(), authenticates, "{tag}");
        }
    }
}
