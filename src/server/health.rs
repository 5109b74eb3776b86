//! `/healthz`, `/livez` and `/readyz`: whether the server lives, and whether it should
//! be asked.
//!
//! The text is that of other API servers, since people and probes read it: `ok`, or a
//! line for each check.

use std::fmt::Write as _;

use http::StatusCode;

/// One thing that is looked at, and whether it is well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Check {
    /// The name, such as `ping`.
    pub name: &'static str,
    /// Whether it is well.
    pub is_well: bool,
    /// Whether only `/readyz` looks at it: a server that drains is well, but should
    /// not be asked.
    pub readiness_only: bool,
}

/// What a client wants to see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// A line for each check, also if all is well.
    pub verbose: bool,
    /// Checks to leave out.
    pub exclude: &'a [String],
}

/// The answer: its code and its text.
pub type Health = (StatusCode, String);

/// The answer of `endpoint`, such as `readyz`, over those of `checks` that it looks at.
pub fn health(endpoint: &str, checks: &[Check], asked: Asked<'_>) -> Health {
    let Asked { verbose, exclude } = asked;
    let mut lines = String::new();
    let mut failed = false;
    for check in looked_at(endpoint, checks) {
        let Check { name, is_well, readiness_only: _ } = check;
        // A string takes every write.
        let _ = if exclude.iter().any(|excluded| excluded == name) {
            writeln!(lines, "[+]{name} excluded: ok")
        } else if *is_well {
            writeln!(lines, "[+]{name} ok")
        } else {
            failed = true;
            writeln!(lines, "[-]{name} failed: reason withheld")
        };
    }
    let known = |name: &&String| looked_at(endpoint, checks).any(|check| check.name == **name);
    let unknown: Vec<String> =
        exclude.iter().filter(|name| !known(name)).map(|name| format!("{name:?}")).collect();
    if !unknown.is_empty() {
        let names = unknown.join(",");
        let _ =
            writeln!(lines, "warn: some health checks cannot be excluded: no matches for {names}");
    }
    if failed {
        let _ = writeln!(lines, "{endpoint} check failed");
        return (StatusCode::INTERNAL_SERVER_ERROR, lines);
    }
    if !verbose {
        return (StatusCode::OK, "ok".to_owned());
    }
    let _ = writeln!(lines, "{endpoint} check passed");
    (StatusCode::OK, lines)
}

/// The answer of one check, such as `/readyz/ping`; none if there is no such check.
pub fn single(endpoint: &str, name: &str, checks: &[Check]) -> Option<Health> {
    let check = looked_at(endpoint, checks).find(|check| check.name == name)?;
    Some(if check.is_well {
        (StatusCode::OK, "ok".to_owned())
    } else {
        let text = "internal server error: reason withheld\n".to_owned();
        (StatusCode::INTERNAL_SERVER_ERROR, text)
    })
}

fn looked_at<'a>(endpoint: &str, checks: &'a [Check]) -> impl Iterator<Item = &'a Check> {
    let is_readiness = endpoint == "readyz";
    checks.iter().filter(move |check| is_readiness || !check.readiness_only)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKS: [Check; 3] = [
        Check { name: "ping", is_well: true, readiness_only: false },
        Check { name: "store", is_well: false, readiness_only: false },
        Check { name: "shutdown", is_well: false, readiness_only: true },
    ];

    #[test]
    fn all_is_well_in_two_letters() {
        let asked = Asked::default();
        assert_eq!(health("livez", &CHECKS[..1], asked), (StatusCode::OK, "ok".to_owned()));
        let verbose = Asked { verbose: true, ..asked };
        assert_eq!(
            health("livez", &CHECKS[..1], verbose),
            (StatusCode::OK, "[+]ping ok\nlivez check passed\n".to_owned())
        );
    }

    #[test]
    fn what_fails_is_named_without_its_reason() {
        let (code, text) = health("readyz", &CHECKS, Asked::default());
        assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            text,
            "[+]ping ok\n[-]store failed: reason withheld\n\
             [-]shutdown failed: reason withheld\nreadyz check failed\n"
        );
        let (_, text) = health("livez", &CHECKS, Asked::default());
        assert!(!text.contains("shutdown"), "{text}");
    }

    #[test]
    fn a_check_can_be_left_out() {
        let exclude = ["store".to_owned(), "nothing".to_owned()];
        let asked = Asked { verbose: true, exclude: &exclude };
        assert_eq!(
            health("livez", &CHECKS, asked),
            (
                StatusCode::OK,
                "[+]ping ok\n[+]store excluded: ok\n\
                 warn: some health checks cannot be excluded: no matches for \"nothing\"\n\
                 livez check passed\n"
                    .to_owned()
            )
        );
    }

    #[test]
    fn one_check_is_asked_for_by_its_name() {
        assert_eq!(single("livez", "ping", &CHECKS), Some((StatusCode::OK, "ok".to_owned())));
        let (code, _) = single("readyz", "shutdown", &CHECKS).unwrap();
        assert_eq!(code, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(single("livez", "shutdown", &CHECKS), None);
    }
}
