//! Completions and manual pages are what the command tree says they are.
//!
//! `UPDATE_GOLDEN=1 cargo test --test integration generated` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::TestEnv;

const SHELLS: [(&str, &str); 6] = [
    ("bash", "kcpctl.bash"),
    ("elvish", "kcpctl.elv"),
    ("fish", "kcpctl.fish"),
    ("nushell", "kcpctl.nu"),
    ("powershell", "_kcpctl.ps1"),
    ("zsh", "_kcpctl"),
];

#[test]
fn completions_are_those_of_the_command_tree() {
    let env = TestEnv::new();
    let fresh = SHELLS
        .into_iter()
        .map(|(shell, file)| (file.to_owned(), env.run(["completions", shell]).success()))
        .collect();
    compare("completions", fresh);
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let env = TestEnv::new();
    let said = env.run(["man", "--output-dir", "pages"]);
    let fresh = files(&env.path("pages"));
    assert_eq!(
        said.to_string(),
        format!("--- stderr\nwrote {} pages to `pages`\n--- exit 0\n", fresh.len())
    );
    for page in ["kcpctl.1", "kcpctl-cache-list.1", "kcpctl-init-installation.1"] {
        assert!(fresh.contains_key(page), "{page} is missing");
    }
    let one = env.run(["man", "cache", "list"]).success();
    assert_eq!(Some(&one), fresh.get("kcpctl-cache-list.1"));
    compare("man", fresh);
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (file_name(&path), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn compare(folder: &str, fresh: BTreeMap<String, String>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in &fresh {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let kept = files(&folder);
    assert_eq!(kept.keys().collect::<Vec<_>>(), fresh.keys().collect::<Vec<_>>());
    for (name, text) in fresh {
        assert!(
            kept.get(&name) == Some(&text),
            "{} is out of date: run the tests with UPDATE_GOLDEN=1",
            folder.join(name).display()
        );
    }
}
