//! Bash, which makes several words of `--shard=a:b`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::engine;
use clap_complete::env::EnvCompleter;

/// What bash splits words at, beside spaces, and what names have in them.
const BREAKS: [&str; 2] = ["=", ":"];

/// The library's script, and answers that know how bash splits words.
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn io::Write,
    ) -> Result<(), io::Error> {
        clap_complete::env::Bash.write_registration(var, name, bin, completer, buf)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        current_dir: Option<&Path>,
        buf: &mut dyn io::Write,
    ) -> Result<(), io::Error> {
        let set = |name| std::env::var(name).ok();
        let index = set("_CLAP_COMPLETE_INDEX").and_then(|it| it.parse().ok());
        let separator = set("_CLAP_IFS").unwrap_or_else(|| "\n".to_owned());
        let line = Line::join(&words, index.unwrap_or(words.len() - 1));
        let last = line.words.len() - 1;
        let candidates = engine::complete(command, line.words, last, current_dir)?;
        let answers: Vec<_> = candidates
            .iter()
            .filter_map(|it| it.get_value().to_str()?.strip_prefix(&line.typed))
            .collect();
        write!(buf, "{}", answers.join(&separator))
    }
}

/// A command line up to the cursor, in words as they were typed.
#[derive(Debug, Eq, PartialEq)]
struct Line {
    words: Vec<OsString>,
    /// What of the last word bash takes for words before it.
    typed: String,
}

impl Line {
    fn join(words: &[OsString], index: usize) -> Self {
        let is_break = |word: &OsStr| BREAKS.iter().any(|it| word == *it);
        let mut joined: Vec<OsString> = Vec::new();
        let mut typed = String::new();
        let mut after_break = false;
        // The word at the cursor counts though it may be empty.
        for word in words.iter().take(index + 1) {
            let breaks = is_break(word);
            match joined.last_mut() {
                Some(last) if (breaks || after_break) && !last.is_empty() => {
                    typed = last.to_string_lossy().into_owned();
                    last.push(word);
                }
                _ => {
                    typed.clear();
                    joined.push(word.clone());
                }
            }
            after_break = breaks;
        }
        if joined.is_empty() {
            joined.push(OsString::new());
        }
        // With the cursor behind `=` there is no word yet that would be replaced.
        if after_break {
            typed = joined.last().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        }
        Self { words: joined, typed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(words: &[&str]) -> (Vec<String>, String) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let line = Line::join(&words, words.len() - 1);
        (line.words.iter().map(|it| it.to_string_lossy().into_owned()).collect(), line.typed)
    }

    fn line(words: &[&str], typed: &str) -> (Vec<String>, String) {
        (words.iter().map(|it| (*it).to_owned()).collect(), typed.to_owned())
    }

    #[test]
    fn what_bash_split_is_one_word_again() {
        assert_eq!(join(&["kcpctl", "cac"]), line(&["kcpctl", "cac"], ""));
        assert_eq!(join(&["kcpctl", "--shard", ""]), line(&["kcpctl", "--shard", ""], ""));
        assert_eq!(join(&["kcpctl", "-o", "=", "js"]), line(&["kcpctl", "-o=js"], "-o="));
        assert_eq!(join(&["kcpctl", "-o", "="]), line(&["kcpctl", "-o="], "-o="));
        assert_eq!(
            join(&["kcpctl", "--cluster", "root", ":", "o"]),
            line(&["kcpctl", "--cluster", "root:o"], "root:")
        );
        assert_eq!(
            join(&["kcpctl", "--cluster", "=", "root", ":", "a", ":", "b", "x"]),
            line(&["kcpctl", "--cluster=root:a:b", "x"], "")
        );
    }
}
