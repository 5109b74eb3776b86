//! `kcpctl reconcile`: the loop in the foreground, against a cluster.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::anyhow;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::args::Namespace;
use super::completions::names;
use super::logging::{self, LogFormat, LogSettings, VERBOSE};
use crate::error::{CliError, Kind};
use crate::reconcile::{self, End, LeaseSettings, Looked, ReconcileError, Settings};
use crate::shutdown;
use crate::term::{self, Output};

const EXAMPLES: &str = "\
Examples:
  # Look after the objects of one namespace until Ctrl-C
  kcpctl reconcile -n kcp

  # What would it change now?
  kcpctl reconcile -n kcp --dry-run

  # Take over from kcp-operator, which was scaled to zero
  kcpctl reconcile -A --adopt

  # As a Deployment of two pods, one of which works
  kcpctl reconcile -A --leader-elect --listen 0.0.0.0:8081";

/// Make a cluster match its operator.kcp.io objects, and keep doing so
///
/// Watch the objects of its six kinds, apply what `kcpctl render` prints for each of
/// them, roll pods when something changes that they mount, delete what is no longer
/// rendered, and write conditions that say what is so and what is in the way.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct ReconcileArgs {
    /// Kubeconfig file that leads to the cluster
    /// [default: KUBECONFIG, ~/.kube/config, or the pod's own account]
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    kubeconfig: Option<PathBuf>,

    /// Context of the kubeconfig to use
    #[arg(long, value_name = "NAME", add = names::cluster_contexts(), help_heading = "Connection")]
    context: Option<String>,

    /// Namespace to look after
    /// [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE", add = names::namespaces(), help_heading = "Connection")]
    namespace: Option<Namespace>,

    /// Look after all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace", help_heading = "Connection")]
    all_namespaces: bool,

    /// URL of kcp's servers, with `{service}`, `{namespace}` and `{domain}`
    ///
    /// The loop talks to kcp itself to take back the registration of a deleted shard and to
    /// bind roles for kubeconfigs. Outside of the cluster's network it needs a way there, such
    /// as `https://127.0.0.1:8443`; the certificate is checked for the name of the Service.
    /// [default: the URL of the server, else that of its Service]
    #[arg(long, value_name = "TEMPLATE", help_heading = "Connection")]
    kcp_url: Option<String>,

    /// Do what is to be done now, and end
    ///
    /// Goes over all objects, again as long as that changes something. Ends with code 1 if
    /// something is left to do, such as what waits for a certificate.
    #[arg(long)]
    once: bool,

    /// Tell what would be changed, and change nothing
    ///
    /// Every object is sent to the API server, which checks it and forgets it.
    #[arg(long)]
    dry_run: bool,

    /// Take over what kcp-operator has made
    ///
    /// Owner references move from its Compiled objects to the objects that they were made
    /// from, its fields become ours, and the Compiled objects are removed. No object is made
    /// anew, and no pod rolls.
    #[arg(long)]
    adopt: bool,

    /// Sign Certificates here, where no cert-manager runs
    ///
    /// Reconciles `Issuer` and `ClusterIssuer` objects of the kinds `selfSigned` and `ca`,
    /// and Certificates, into Secrets as cert-manager would. Issuers of other kinds are told so
    /// in their status. A `ClusterIssuer` takes its CA from the namespace to look after, or from
    /// `kcpctl` with `-A`. Refused while cert-manager's controller runs.
    #[arg(long, conflicts_with_all = ["once", "dry_run"])]
    issue_certificates: bool,

    /// Begin though kcp-operator runs
    #[arg(long)]
    force: bool,

    /// Work only while holding the lease `reconcile.kcpctl.io`
    #[arg(long, conflicts_with_all = ["once", "dry_run"], help_heading = "Process")]
    leader_elect: bool,

    /// Namespace of the lease
    /// [default: the namespace to look after, or that of the context]
    #[arg(long, value_name = "NAMESPACE", requires = "leader_elect", help_heading = "Process")]
    leader_elect_namespace: Option<Namespace>,

    /// Address to serve /livez, /readyz and /metrics at, over HTTP
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["once", "dry_run"], help_heading = "Process")]
    listen: Option<SocketAddr>,

    /// Form of the log
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text", help_heading = "Log")]
    log_format: LogFormat,

    /// More in the log; up to `-v=8`
    #[arg(short, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = VERBOSE, help_heading = "Log", value_parser = clap::value_parser!(u8).range(0..=8))]
    verbosity: Option<u8>,
}

pub(super) fn run(args: ReconcileArgs) -> Result<(), CliError> {
    let log = LogSettings { format: args.log_format, verbosity: args.verbosity.unwrap_or(0) };
    logging::start(log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        let cause = anyhow::Error::new(error).context("failed to start the runtime");
        CliError::new(Kind::Internal, cause).hint("the limits on threads may be too low")
    })?;
    runtime.block_on(work(args))
}

async fn work(args: ReconcileArgs) -> Result<(), CliError> {
    let (client, of_context) = connect(args.kubeconfig, args.context).await?;
    let named = args.namespace.map(|it| it.as_str().to_owned());
    let lease_namespace = args.leader_elect_namespace.map(|it| it.as_str().to_owned());
    let lease_namespace =
        lease_namespace.or_else(|| named.clone()).unwrap_or_else(|| of_context.clone());
    let settings = Settings {
        namespace: (!args.all_namespaces).then(|| named.unwrap_or(of_context)),
        dry_run: args.dry_run,
        adopt: args.adopt,
        without_pods: false,
        force: args.force,
        issue_certificates: args.issue_certificates,
        lease: args
            .leader_elect
            .then(|| LeaseSettings { namespace: lease_namespace, identity: reconcile::identity() }),
        listen: args.listen,
        resync: None,
        kcp_url: args.kcp_url,
    };
    if args.once || args.dry_run {
        return once(client, &settings).await;
    }
    let (trigger, shutdown) = shutdown::channel();
    let signals = trigger.on_signals().map_err(|error| {
        let cause = anyhow::Error::new(error).context("failed to listen for signals");
        CliError::new(Kind::Internal, cause)
    })?;
    tokio::spawn(signals);
    Ok(reconcile::run(client, &settings, shutdown).await?)
}

async fn once(client: Client, settings: &Settings) -> Result<(), CliError> {
    let mut out = Output::stdout();
    let mut written = Ok(());
    let mut tell = |looked: &Looked| {
        for did in &looked.did {
            if written.is_ok() {
                written = out.line(&format!("{}: {} {}", looked.key, did.verb, did.what));
            }
        }
    };
    let last = reconcile::once(client, settings, &mut tell).await?;
    written?;
    out.finish()?;
    let mut left = 0;
    for looked in &last {
        match &looked.end {
            End::Settled => {}
            End::Waiting(why) | End::Failed(why) => {
                left += 1;
                term::warn(&format!("{}: {why}", looked.key));
            }
        }
    }
    if left == 0 {
        return Ok(());
    }
    let cause = anyhow!("{left} of {} objects are not as they should be yet", last.len());
    Err(CliError::new(Kind::Findings, cause)
        .hint("what waits for something else is done by another run, or without `--once`"))
}

/// A client of the cluster, and the namespace of the context.
async fn connect(
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
) -> Result<(Client, String), CliError> {
    let refused = |error: anyhow::Error| {
        CliError::new(Kind::Config, error).hint("name a kubeconfig with `--kubeconfig`")
    };
    let is_named = kubeconfig.is_some() || context.is_some();
    let read = match &kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(|error| {
            anyhow::Error::new(error).context(format!("failed to read `{}`", path.display()))
        }),
        None => Kubeconfig::read().map_err(anyhow::Error::new),
    };
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = match read {
        Ok(read) => Config::from_custom_kubeconfig(read, &options)
            .await
            .map_err(|error| anyhow::Error::new(error).context("the kubeconfig cannot be used")),
        // A pod has no kubeconfig: it has an account.
        Err(error) if !is_named => {
            Config::incluster().map_err(|_| error.context("no kubeconfig leads to a cluster"))
        }
        Err(error) => Err(error),
    };
    let mut config = config.map_err(refused)?;
    config.headers.push((
        http::header::USER_AGENT,
        http::HeaderValue::from_static(concat!("kcpctl/", env!("CARGO_PKG_VERSION"))),
    ));
    let namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| refused(anyhow::Error::new(error)))?;
    Ok((client, namespace))
}

impl From<ReconcileError> for CliError {
    fn from(error: ReconcileError) -> Self {
        let kind = match &error {
            ReconcileError::Operator(_)
            | ReconcileError::CertManager(_)
            | ReconcileError::NoDefinition { .. }
            | ReconcileError::Forbidden { .. } => Kind::Refused,
            ReconcileError::Unasked(_) | ReconcileError::Unreachable { .. } => Kind::Unreachable,
            ReconcileError::Listen { .. } => Kind::Config,
        };
        let hints = error.hints();
        hints.into_iter().fold(Self::new(kind, error), Self::hint)
    }
}
