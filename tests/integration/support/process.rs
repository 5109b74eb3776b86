//! The executable as a process in the background that tells what it does.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::{KCPCTL, TestEnv, eventually};

/// Runs until it is dropped. A test that fails shows what it said.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the executable, with arguments given by `with`.
    pub fn start(env: &TestEnv, with: impl FnOnce(&mut Command)) -> Self {
        static LOGS: AtomicUsize = AtomicUsize::new(0);
        let number = LOGS.fetch_add(1, Ordering::Relaxed);
        let log = env.path(format!("process-{number}.log"));
        let mut command = env.command(KCPCTL);
        with(&mut command);
        let child =
            command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        Self { child, log }
    }

    /// What it has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has ended by itself.
    pub fn code(&mut self) -> Option<i32> {
        eventually("the end of a process", || self.child.try_wait().unwrap()).code()
    }

    /// Asks it to end, and waits for that.
    pub fn stop(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.code()
    }

    /// Ends it wherever it is.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "this is what a failed test shows")]
            {
                eprintln!("--- {} said\n{}", self.log.display(), self.said());
            }
        }
    }
}
