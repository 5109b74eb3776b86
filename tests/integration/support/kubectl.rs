//! A real kubectl, pointed at a server.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{CommandOutput, Server, TestEnv};

/// The oldest minor version whose validation asks for the `OpenAPI` documents that
/// we serve. An older one wants version 2 of `OpenAPI`, which no kcp cache server has.
const VALIDATES_SINCE: u32 = 27;

/// The verbs that validate, and so know the flag that turns it off.
const VALIDATING: [&str; 3] = ["create", "replace", "apply"];

/// kubectl with a kubeconfig for one cluster of one shard.
pub struct Kubectl<'a> {
    env: &'a TestEnv,
    kubeconfig: PathBuf,
    validates: bool,
}

impl<'a> Kubectl<'a> {
    /// kubectl as the administrator of `server`, in `cluster` of `shard`.
    pub fn new(server: &'a Server, shard: &str, cluster: &str) -> Self {
        let env = server.env();
        let kubeconfig = server.kubeconfig(shard, cluster);
        let validates = minor_version(env) >= VALIDATES_SINCE;
        Self { env, kubeconfig, validates }
    }

    /// Whether it is new enough to ask for the `OpenAPI` documents that we serve.
    pub fn validates(&self) -> bool {
        self.validates
    }

    /// Runs it to its end.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> CommandOutput {
        CommandOutput::of(&mut self.command(args))
    }

    /// Starts it and lets it run; its stdout is a pipe.
    pub fn spawn(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// It, to be run in some other way.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = self.env.command("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        for (index, arg) in args.into_iter().enumerate() {
            let arg = arg.as_ref();
            command.arg(arg);
            if index == 0 && !self.validates && VALIDATING.iter().any(|it| arg == *it) {
                command.arg("--validate=false");
            }
        }
        command
    }
}

fn minor_version(env: &TestEnv) -> u32 {
    let said = CommandOutput::of(env.command("kubectl").args(["version", "--client", "-o=json"]));
    let version: Value = serde_json::from_str(&said.success()).unwrap();
    let minor = version["clientVersion"]["minor"].as_str().unwrap();
    minor.trim_end_matches('+').parse().unwrap()
}
