//! How much memory objects and history may take: what was said, or what the container
//! has.
//!
//! A process that outgrows its control group is killed, and killed again while it reads
//! its store. So unless told otherwise writes stop before that, and what is served goes
//! on being served.

use std::fs;
use std::path::Path;

use super::settings::{HISTORY_BYTES, SettingsError};

/// What is left to connections, requests and the store: this part of a container.
const RESERVED_PART: usize = 10;

/// The same at least, in bytes: the process itself, and the store's buffers of up to
/// 32 MiB. Of a container that is smaller than twice this, half.
const RESERVED_MIN: usize = 96 << 20;

/// What history takes at most of a limit, unless told otherwise: this part.
const HISTORY_PART: usize = 4;

/// From here on a number stands for no limit: version 1 says so with the largest one
/// that is a number of pages.
const UNLIMITED: u64 = 1 << 60;

/// How much memory there is for what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Budget {
    /// Objects and history together; none is no limit.
    pub(super) memory: Option<usize>,
    /// History alone.
    pub(super) history: usize,
}

impl Budget {
    /// What to make of the flags in a container that has `container` bytes. A limit of
    /// zero is none.
    pub(super) fn new(
        memory: Option<usize>,
        history: Option<usize>,
        container: Option<usize>,
    ) -> Result<Self, SettingsError> {
        let memory = memory.or(container.map(|all| all - reserved(all)));
        let Some(limit) = memory.filter(|limit| *limit > 0) else {
            return Ok(Self { memory: None, history: history.unwrap_or(HISTORY_BYTES) });
        };
        let history = history.unwrap_or(HISTORY_BYTES.min(limit / HISTORY_PART));
        if history >= limit {
            return Err(SettingsError::NoRoomForObjects { history, limit });
        }
        Ok(Self { memory: Some(limit), history })
    }
}

/// What a container of `all` bytes leaves to everything but objects and history.
fn reserved(all: usize) -> usize {
    (all / RESERVED_PART).max(RESERVED_MIN.min(all / 2))
}

/// How many bytes the control groups of this process may take, with `root` as `/`.
///
/// Each group up to the mount counts, and both versions are asked: a process may be in
/// groups of either. In a container the mount shows its own group as the root, while
/// the process may still be told the path that the host knows.
pub(super) fn container(root: &Path) -> Option<usize> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = if controllers.is_empty() {
            (root.join("sys/fs/cgroup"), "memory.max")
        } else if controllers.split(',').any(|it| it == "memory") {
            (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        let mut group = mount.join(path.trim_start_matches('/'));
        while group.starts_with(&mount) {
            let text = fs::read_to_string(group.join(file)).unwrap_or_default();
            let limit = text.trim().parse().ok().filter(|bytes| *bytes < UNLIMITED);
            least = [least, limit].into_iter().flatten().min();
            group.pop();
        }
    }
    least.and_then(|bytes| usize::try_from(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn what_is_said_counts_more_than_the_container() {
        let budget = |memory, history, container| Budget::new(memory, history, container).unwrap();
        let none = Budget { memory: None, history: HISTORY_BYTES };
        assert_eq!(budget(None, None, None), none);
        assert_eq!(budget(Some(0), None, Some(100 * MIB)), none);
        assert_eq!(
            budget(None, None, Some(1000 * MIB)),
            Budget { memory: Some(900 * MIB), history: 225 * MIB }
        );
        for (container, left) in [(512, 416), (200, 104), (100, 50)] {
            assert_eq!(budget(None, None, Some(container * MIB)).memory, Some(left * MIB));
        }
        assert_eq!(
            budget(Some(4096 * MIB), None, Some(100 * MIB)),
            Budget { memory: Some(4096 * MIB), history: HISTORY_BYTES }
        );
        assert_eq!(
            budget(Some(100 * MIB), Some(99 * MIB), None),
            Budget { memory: Some(100 * MIB), history: 99 * MIB }
        );
    }

    #[test]
    fn history_that_leaves_no_room_is_refused() {
        for container in [None, Some(MIB)] {
            let error = Budget::new(container.is_none().then_some(MIB), Some(MIB), container);
            assert!(matches!(error, Err(SettingsError::NoRoomForObjects { .. })), "{error:?}");
        }
    }

    /// The root of a system that has these files.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn the_least_of_all_groups_counts() {
        let root = system(&[
            ("proc/self/cgroup", "0::/kubepods/pod/box\n"),
            ("sys/fs/cgroup/kubepods/pod/box/memory.max", "max\n"),
            ("sys/fs/cgroup/kubepods/pod/memory.max", "1000\n"),
            ("sys/fs/cgroup/kubepods/memory.max", "2000\n"),
        ]);
        assert_eq!(container(root.path()), Some(1000));
    }

    #[test]
    fn the_first_version_is_understood() {
        let groups = "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n";
        let file = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        // The path is the host's; what the container sees is at the mount.
        let root = system(&[("proc/self/cgroup", groups), (file, "5000\n")]);
        assert_eq!(container(root.path()), Some(5000));
        let root = system(&[("proc/self/cgroup", groups), (file, "9223372036854771712\n")]);
        assert_eq!(container(root.path()), None);
    }

    #[test]
    fn a_system_without_groups_has_no_limit() {
        assert_eq!(container(system(&[]).path()), None);
        assert_eq!(
            container(system(&[("proc/self/cgroup", "nonsense\n0::/../..\n")]).path()),
            None
        );
    }
}
