//! The executable on a terminal.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;

use super::env::KCPCTL;
use super::{TestEnv, eventually};

/// A command on a terminal of its own, which `script` makes.
pub struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts `kcpctl` with the words of `args`.
    pub fn run(env: &TestEnv, args: &str) -> Self {
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
    pub fn answer(&mut self, question: &str, keys: &str) {
        self.shows(question);
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until it shows this.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        eventually(text, || self.shown.lock().contains(text).then_some(()));
    }

    /// Waits for its end.
    #[track_caller]
    pub fn success(mut self) {
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
