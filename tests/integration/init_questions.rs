//! `kcpctl init installation` on a terminal: it asks for what no flag says.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::support::{KCPCTL, TestEnv, eventually};

/// A command on a terminal of its own, which `script` makes.
struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn run(env: &TestEnv, args: &str) -> Self {
        let mut child = env
            .command("script")
            .args(["--quiet", "--return", "--flush", "--command"])
            .arg(format!("{KCPCTL} {args}"))
            .arg("/dev/null")
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = child.stdout.take().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                seen.lock().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, shown }
    }

    /// Waits for a question, and presses these keys.
    #[track_caller]
    fn answer(&mut self, question: &str, keys: &str) {
        eventually(question, || self.shown.lock().contains(question).then_some(()));
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    #[track_caller]
    fn success(mut self) {
        let status = eventually("the end of the command", || self.child.try_wait().unwrap());
        assert!(status.success(), "{}", self.shown.lock());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
