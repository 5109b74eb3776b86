//! Which releases of etcd tell the truth about how far a watch has come.

/// Whether a member of this version answers a question for progress truthfully.
///
/// Older ones answer with their own revision while changes before it are still on their
/// way to the watch. What cannot be understood counts as old.
pub(super) fn tells_progress(version: &str) -> bool {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
    let mut next = || parts.next().flatten();
    match (next(), next(), next()) {
        (Some(3), Some(4), Some(patch)) => patch >= 31,
        (Some(3), Some(5), Some(patch)) => patch >= 13,
        (Some(3), Some(minor), Some(_)) => minor >= 6,
        (Some(major), Some(_), Some(_)) => major > 3,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_releases_that_were_mended_are_known() {
        for (version, truthful) in [
            ("3.3.27", false),
            ("3.4.23", false),
            ("3.4.30", false),
            ("3.4.31", true),
            ("3.5.12", false),
            ("3.5.13", true),
            ("3.6.0", true),
            ("3.6.0-rc.1", true),
            ("3.7.0", true),
            ("4.0.0", true),
            ("3.6", false),
            ("", false),
            ("nonsense", false),
        ] {
            assert_eq!(tells_progress(version), truthful, "{version}");
        }
    }
}
