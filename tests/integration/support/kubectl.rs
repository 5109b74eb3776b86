//! A real kubectl, pointed at a server.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{CommandOutput, Server, TestEnv};

/// The oldest minor version whose validation asks for the `OpenAPI` documents that
/// we serve. An older one wants version 2 of `OpenAPI`, which no kcp cache server has.
const VALIDATES_SINCE: u32 = 27;

/// The first minor version whose `wait` knows `--for=jsonpath`.
const WAITS_FOR_VALUES_SINCE: u32 = 23;

/// The first minor version whose `describe` knows policy/v1, which is all that there is.
const DESCRIBES_BUDGETS_SINCE: u32 = 21;

/// The verbs that validate, and so know the flag that turns it off.
const VALIDATING: [&str; 4] = ["create", "replace", "apply", "edit"];

/// kubectl with a kubeconfig for one cluster of one shard.
pub struct Kubectl<'a> {
    env: &'a TestEnv,
    kubeconfig: PathBuf,
    context: Option<&'static str>,
    minor: u32,
}

impl<'a> Kubectl<'a> {
    /// kubectl as the administrator of `server`, in `cluster` of `shard`.
    pub fn new(server: &'a Server, shard: &str, cluster: &str) -> Self {
        let env = server.env();
        let kubeconfig = server.kubeconfig(shard, cluster);
        Self { env, kubeconfig, context: None, minor: minor_version(env) }
    }

    /// kubectl as the administrator of `server`, on its control plane.
    pub fn of_control_plane(server: &'a Server) -> Self {
        let env = server.env();
        let kubeconfig = server.data_dir().join("admin.kubeconfig");
        Self { env, kubeconfig, context: Some("control"), minor: minor_version(env) }
    }

    /// Whether it is new enough to ask for the `OpenAPI` documents that we serve.
    pub fn validates(&self) -> bool {
        self.minor >= VALIDATES_SINCE
    }

    /// Whether it can wait for any value.
    pub fn waits_for_values(&self) -> bool {
        self.minor >= WAITS_FOR_VALUES_SINCE
    }

    /// Whether it can describe a `PodDisruptionBudget`.
    pub fn describes_budgets(&self) -> bool {
        self.minor >= DESCRIBES_BUDGETS_SINCE
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
        command.args(self.context.map(|it| format!("--context={it}")));
        for (index, arg) in args.into_iter().enumerate() {
            let arg = arg.as_ref();
            command.arg(arg);
            if index == 0 && !self.validates() && VALIDATING.iter().any(|it| arg == *it) {
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
