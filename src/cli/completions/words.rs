//! The words of the command line that is being completed.

use std::env;
use std::ffi::OsString;

/// The words that a script handed over: all that follows `--`.
pub(super) fn of(args: &[OsString]) -> Vec<OsString> {
    args.iter().skip_while(|it| *it != "--").skip(1).cloned().collect()
}

/// The value that a flag has so far, such as `--shard root` or `-n=demo`.
pub(super) fn value(flags: &[&str]) -> Option<String> {
    let args: Vec<OsString> = env::args_os().collect();
    value_in(&of(&args), flags)
}

fn value_in(words: &[OsString], flags: &[&str]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|it| it.to_string_lossy()).collect();
    let (current, before) = words.split_last()?;
    let joined = before.iter().chain([current]).find_map(|word| {
        let (flag, value) = word.split_once('=')?;
        flags.contains(&flag).then(|| value.to_owned())
    });
    // Bash makes words of their own of `=` and what follows.
    let split = before.windows(2).enumerate().find_map(|(at, pair)| {
        if !flags.contains(&&*pair[0]) {
            return None;
        }
        match &*pair[1] {
            "=" => before.get(at + 2).map(ToString::to_string),
            value => Some(value.to_owned()),
        }
    });
    joined.or(split).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_words_follow_two_dashes() {
        assert_eq!(of(&words("kcpctl -- kcpctl cache -- x")), words("kcpctl cache -- x"));
        assert_eq!(of(&words("kcpctl cache")), Vec::<OsString>::new());
    }

    #[test]
    fn a_flag_is_found_however_it_was_typed() {
        let of = |line: &str| value_in(&words(line), &["--namespace", "-n"]);
        assert_eq!(of("kcpctl status --namespace demo x").as_deref(), Some("demo"));
        assert_eq!(of("kcpctl status --namespace=demo x").as_deref(), Some("demo"));
        assert_eq!(of("kcpctl status --namespace = demo x").as_deref(), Some("demo"));
        assert_eq!(of("kcpctl status -n demo x").as_deref(), Some("demo"));
        assert_eq!(of("kcpctl status -n x"), None);
        assert_eq!(of("kcpctl status x"), None);
    }
}
