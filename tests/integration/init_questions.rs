//! `kcpctl init installation` on a terminal: it asks for what no flag says.

use crate::support::{Terminal, TestEnv};

#[test]
fn a_terminal_is_asked_for_what_no_flag_says() {
    const DOWN: &str = "\x1b[B";
    let env = TestEnv::new();
    let mut asked = Terminal::run(&env, "init installation demo -o asked");
    asked.answer("Profile", &format!("{DOWN}\r"));
    asked.answer("Host name that users reach", "kcp.example.com\r");
    asked.answer("Namespace", "\r");
    asked.answer("how many, or their names", "3\r");
    asked.success();
    let flags = "init installation demo -o told --profile production --hostname kcp.example.com \
                 --shards 3";
    env.run(flags.split_whitespace()).success();
    let files = |folder: &str| -> Vec<(String, String)> {
        let entries = std::fs::read_dir(env.path(folder)).unwrap().map(Result::unwrap);
        let mut files: Vec<_> = entries
            .map(|it| {
                let text = std::fs::read_to_string(it.path()).unwrap();
                (it.file_name().into_string().unwrap(), text)
            })
            .collect();
        files.sort();
        files
    };
    assert_eq!(files("asked"), files("told"));
}

#[test]
fn yes_asks_nothing_on_a_terminal_either() {
    let env = TestEnv::new();
    Terminal::run(&env, "init installation demo --yes").success();
    assert!(env.path("demo/kustomization.yaml").exists());
}
