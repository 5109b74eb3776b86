//! `kcpctl init installation`: write the objects of an installation.
//!
//! Flags and the topology file become a topology, the topology becomes text, and
//! the text is read back and judged. Only then is the first byte written.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow};

use super::folder::{Folder, State};
use super::wizard;
use crate::api;
use crate::cli::apply::{self, How};
use crate::cli::args::ClusterArgs;
use crate::cli::manifests::Manifests;
use crate::cli::runtime::block_on;
use crate::client::cluster::DryRun;
use crate::error::{CliError, Kind};
use crate::installation::{
    self, CacheMode, Draft, EtcdMode, Finding, KcpVersion, Named, Overrides, Profile, ResolveError,
    Severity, Shards, Topology,
};
use crate::term::{self, Output};

/// Far more than a topology has.
const TOPOLOGY_BYTES_MAX: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  Describe a small installation, and apply it:
    kcpctl init installation demo -o demo
    kubectl create namespace demo
    kubectl apply -k demo

  Describe one for production:
    kcpctl init installation demo --profile production \\
      --hostname kcp.example.com -o demo

  Keep the topology in a file, and write the objects from it:
    kcpctl init installation demo --print-config > kcp.yaml
    kcpctl init installation -f kcp.yaml -o demo --force";

/// Write the objects of an installation
///
/// Write the cache servers, shards, front-proxies and kubeconfigs of an installation
/// as objects of operator.kcp.io/v1alpha1: one file an object, and a
/// kustomization.yaml. What has to be edited is marked EDIT.
///
/// Every flag has a default. On a terminal, ask for what is missing, unless --yes
/// is given. Check everything first: nothing is written if anything is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InstallationArgs {
    /// Name of the installation
    #[arg(value_name = "NAME", required_unless_present = "filename")]
    name: Option<String>,

    /// Read the topology from FILE, or from stdin if it is `-`; flags override it
    #[arg(short, long, value_name = "FILE")]
    filename: Option<PathBuf>,

    #[command(flatten)]
    topology: TopologyArgs,

    #[command(flatten)]
    etcd: EtcdArgs,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Topology")]
struct TopologyArgs {
    /// Choose what the installation is meant for [default: dev]
    #[arg(long, value_enum, hide_default_value = true)]
    profile: Option<Profile>,

    /// Set the host name that users reach; production has no default for it
    /// [default: the front-proxy's name in the cluster]
    #[arg(long, value_name = "HOST", value_parser = host)]
    hostname: Option<String>,

    /// Set the port that users reach [default: 6443]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Set the namespace of all objects [default: NAME]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// Set the shards beside the root shard: how many, or their names
    /// [default: 0; production: 2]
    #[arg(long, value_name = "COUNT|NAME,...")]
    shards: Option<Shards>,

    /// Choose where the cache is [default: embedded; production: server]
    #[arg(long, value_enum)]
    cache: Option<CacheMode>,

    /// Set the replicas of shards and front-proxies [default: 1; production: 3]
    #[arg(long, value_name = "COUNT")]
    replicas: Option<i32>,

    /// Set the replicas of the cache server [default: 1; production: 2]
    #[arg(long, value_name = "COUNT")]
    cache_replicas: Option<i32>,

    /// Name the front-proxies [default: main]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    front_proxies: Option<Vec<String>>,

    /// Name the kubeconfigs to hand out [default: admin]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    kubeconfigs: Option<Vec<String>>,

    /// Set how long their certificates are valid, at least an hour [default: 8766h]
    #[arg(long, value_name = "DURATION")]
    validity: Option<api::Duration>,

    /// Name the cert-manager issuer of the root CAs
    /// [default: a self-signed Issuer, written too; production:
    /// ClusterIssuer/selfsigned]
    #[arg(long, value_name = "[KIND/]NAME")]
    issuer: Option<IssuerArg>,

    /// Set the repository of the image [default: ghcr.io/kcp-dev/kcp]
    #[arg(long, value_name = "REPOSITORY")]
    image_repository: Option<String>,

    /// Set the tag of the image [default: v and the version of kcp]
    #[arg(long, value_name = "TAG")]
    image_tag: Option<String>,

    /// Set the version of kcp [default: 0.32.3]
    #[arg(long, value_name = "VERSION")]
    kcp_version: Option<KcpVersion>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Etcd")]
struct EtcdArgs {
    /// Choose whose etcd the servers use [default: dev; production: external]
    #[arg(long, value_enum)]
    etcd: Option<EtcdMode>,

    /// Choose whose etcd the cache server uses [default: as --etcd]
    #[arg(long, value_enum, value_name = "ETCD")]
    cache_etcd: Option<EtcdMode>,

    /// Set the members of a server's etcd; without NAME those of all servers,
    /// which then get a prefix each; repeat it for each server
    /// [default: derived from the server's name, and marked EDIT]
    #[arg(long, value_name = "[NAME=]URL,...")]
    etcd_endpoints: Vec<Named>,

    /// Set the prefix of a server's keys in etcd
    #[arg(long, value_name = "[NAME=]PREFIX")]
    etcd_prefix: Vec<Named>,

    /// Set the Secret with a server's client certificate for etcd
    /// [default: none; production: etcd-NAME-client]
    #[arg(long, value_name = "[NAME=]SECRET")]
    etcd_tls_secret: Vec<Named>,
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(next_help_heading = "Output")]
struct OutputArgs {
    /// Write into the folder DIR, or one stream to stdout if it is `-`
    /// [default: NAME]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Apply the objects, and the namespace, to a cluster, as `kcpctl apply` does; a folder is
    /// written only if --output names one
    #[arg(long, conflicts_with = "print_config")]
    apply: bool,

    /// Overwrite files
    #[arg(long)]
    force: bool,

    /// Show the files that would be written, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the topology in effect as a topology file, and write nothing
    #[arg(long, conflicts_with_all = ["output", "force", "dry_run"])]
    print_config: bool,

    /// Ask nothing: take the default where no flag is given
    #[arg(short, long, visible_alias = "no-input")]
    yes: bool,
}

pub(super) fn run(args: InstallationArgs) -> Result<(), CliError> {
    let InstallationArgs { name, filename, topology, etcd, output, cluster } = args;
    let OutputArgs { output, apply, force, dry_run, print_config, yes } = output;

    let draft = filename.as_ref().map_or_else(|| Ok(Draft::empty()), read_draft)?;
    let mut flags = overrides(name, topology, etcd);
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if terminal && !yes && filename.is_none() && flags.hostname.is_none() {
        wizard::ask(&mut flags)?;
    }
    let topology = installation::resolve(draft, &flags).map_err(unresolved)?;

    if print_config {
        let mut out = Output::stdout();
        let text = topology.text().map_err(|error| CliError::new(Kind::Internal, error))?;
        io::Write::write_all(&mut out, text.as_bytes()).map_err(term::OutputError::from)?;
        return Ok(out.finish()?);
    }

    let files = checked_files(&topology)?;
    if output.as_deref().is_some_and(|it| it.as_os_str() == "-") {
        return print(&files, dry_run);
    }
    if apply && output.is_none() {
        return put(&topology, files, dry_run, yes, cluster);
    }
    let folder = Folder::new(output.unwrap_or_else(|| PathBuf::from(&topology.name)));
    let states = folder.states(&files, force)?;
    if dry_run {
        return show(&folder, &files, &states);
    }
    folder.write(&files)?;
    if apply {
        return put(&topology, files, dry_run, yes, cluster);
    }
    report(&topology, &folder, &files, &states);
    Ok(())
}

/// How long `--apply` waits; `kcpctl apply` can be told.
const APPLY_PATIENCE: Duration = Duration::from_secs(600);

/// Applies the objects, and the namespace that they go to.
fn put(
    topology: &Topology,
    mut files: Vec<(String, String)>,
    dry_run: bool,
    yes: bool,
    cluster: ClusterArgs,
) -> Result<(), CliError> {
    let namespace = topology.namespace.clone();
    files.retain(|it| it.0 != "kustomization.yaml");
    let text = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n");
    files.push(("namespace.yaml".to_owned(), text));
    let manifests = Manifests::of_texts(files);
    let how = How {
        profile: topology.profile,
        dry_run: dry_run.then_some(DryRun::Server),
        force: false,
        prune: false,
        wait: (!dry_run).then_some(APPLY_PATIENCE),
        yes,
    };
    block_on(async {
        let client = cluster.client().await?;
        apply::apply(&client, manifests, &namespace, how).await
    })
}

fn read_draft(file: &PathBuf) -> Result<Draft, CliError> {
    let (name, mut reader): (_, Box<dyn Read>) = if file.as_os_str() == "-" {
        ("stdin".to_owned(), Box::new(io::stdin()))
    } else {
        let name = file.display().to_string();
        let open = std::fs::File::open(file).with_context(|| format!("failed to open `{name}`"));
        (name, Box::new(open.map_err(|error| CliError::new(Kind::Config, error))?))
    };
    let mut text = String::new();
    let mut limited = reader.by_ref().take(TOPOLOGY_BYTES_MAX + 1);
    limited
        .read_to_string(&mut text)
        .with_context(|| format!("failed to read `{name}`"))
        .map_err(|error| CliError::new(Kind::Config, error))?;
    if text.len() as u64 > TOPOLOGY_BYTES_MAX {
        let cause = anyhow!("`{name}` is larger than 1 MiB, which no topology is");
        return Err(CliError::new(Kind::Config, cause).hint("name a topology file with `-f`"));
    }
    api::read_value(&text, &name).map_err(|error| {
        CliError::new(Kind::Config, error)
            .hint("see what a topology file looks like with `kcpctl init installation demo --print-config`")
    })
}

fn overrides(name: Option<String>, topology: TopologyArgs, etcd: EtcdArgs) -> Overrides {
    let TopologyArgs {
        profile,
        hostname,
        port,
        namespace,
        shards,
        cache,
        replicas,
        cache_replicas,
        front_proxies,
        kubeconfigs,
        validity,
        issuer,
        image_repository,
        image_tag,
        kcp_version,
    } = topology;
    let EtcdArgs { etcd, cache_etcd, etcd_endpoints, etcd_prefix, etcd_tls_secret } = etcd;
    Overrides {
        name,
        profile,
        namespace,
        hostname,
        port,
        shards,
        cache,
        etcd,
        cache_etcd,
        etcd_endpoints,
        etcd_prefixes: etcd_prefix,
        etcd_tls_secrets: etcd_tls_secret,
        replicas,
        cache_replicas,
        issuer: issuer.map(|it| (it.kind, it.name)),
        front_proxies,
        kubeconfigs,
        validity,
        image_repository,
        image_tag,
        kcp_version,
    }
}

fn unresolved(error: ResolveError) -> CliError {
    let (kind, hint) = match &error {
        ResolveError::NoName => (Kind::Usage, "name it: `kcpctl init installation NAME`"),
        ResolveError::NoHostname => (Kind::Usage, "set it with `--hostname kcp.example.com`"),
        ResolveError::UnknownServer { .. } => (Kind::Usage, "name one of these servers"),
        ResolveError::NoCacheServer { .. } => {
            (Kind::Usage, "leave the flag out, or ask for a cache server with `--cache server`")
        }
        ResolveError::Format { .. } => (
            Kind::Config,
            "print a topology file with `kcpctl init installation NAME --print-config`",
        ),
        ResolveError::EtcdField { .. } => {
            (Kind::Config, "remove it, or set the mode to `external` (`--etcd external`)")
        }
        ResolveError::EmbeddedShard { .. } => (
            Kind::Config,
            "use `--etcd external` or `--etcd dev`, and `--cache-etcd embedded` for the cache server",
        ),
    };
    CliError::new(kind, error).hint(hint)
}

/// The text of every file, held against the types and rules that apply to it.
fn checked_files(topology: &Topology) -> Result<Vec<(String, String)>, CliError> {
    let internal = |error: anyhow::Error| CliError::new(Kind::Internal, error);
    let manifests = installation::build(topology).map_err(|error| internal(error.into()))?;
    let mut documents = Vec::new();
    let mut files = Vec::new();
    for manifest in &manifests {
        let (file, text) = (manifest.file.clone(), manifest.text());
        // What was written is what is judged, so the text is read like anybody's.
        let read = api::read_documents(&text, &file).map_err(|error| internal(error.into()))?;
        documents.extend(read);
        files.push((file, text));
    }
    let mut findings = installation::check_topology(topology);
    findings.extend(installation::validate(&documents));
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|it| it.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(refusal(&errors));
    }
    for warning in warnings {
        term::warn(&format!("{warning} ({})", warning.hint));
    }
    let names: Vec<String> = files.iter().map(|it| it.0.clone()).collect();
    let about = format!("The installation `{}`: kubectl apply -k this folder.", topology.name);
    files.push(("kustomization.yaml".to_owned(), installation::kustomization(&about, &names)));
    Ok(files)
}

fn refusal(errors: &[Finding]) -> CliError {
    let cause = match errors {
        [one] => anyhow!("{one}"),
        many => {
            let mut text = format!("{} things are wrong, so nothing was written:", many.len());
            for error in many {
                let _ = write!(text, "\n  {error}");
            }
            anyhow!(text)
        }
    };
    let mut seen: Vec<&str> = Vec::new();
    let mut refusal = CliError::new(Kind::Config, cause);
    for error in errors {
        if !seen.contains(&error.hint.as_str()) {
            seen.push(&error.hint);
            refusal = refusal.hint(&error.hint);
        }
    }
    refusal
}

/// Prints everything as one stream; the kustomization belongs to a folder.
fn print(files: &[(String, String)], dry_run: bool) -> Result<(), CliError> {
    let mut out = Output::stdout();
    for (index, (file, text)) in files.iter().filter(|it| it.0 != "kustomization.yaml").enumerate()
    {
        if dry_run {
            out.line(file)?;
            continue;
        }
        if index > 0 {
            out.line("---")?;
        }
        io::Write::write_all(&mut out, text.as_bytes()).map_err(term::OutputError::from)?;
    }
    Ok(out.finish()?)
}

fn show(folder: &Folder, files: &[(String, String)], states: &[State]) -> Result<(), CliError> {
    let mut out = Output::stdout();
    for ((file, _), state) in files.iter().zip(states) {
        let state = match state {
            State::New => "new",
            State::Same => "unchanged",
            State::Differs => "overwritten",
        };
        out.line(&format!("{} ({state})", folder.path().join(file).display()))?;
    }
    Ok(out.finish()?)
}

fn report(topology: &Topology, folder: &Folder, files: &[(String, String)], states: &[State]) {
    let path = folder.path().display();
    let changed = states.iter().filter(|it| **it != State::Same).count();
    let unchanged = match files.len() - changed {
        0 => String::new(),
        same => format!(", {same} of them as they were"),
    };
    term::say(&format!("wrote {} to {path}{unchanged}", term::count(files.len(), "file")));
    let strangers = folder.strangers(files);
    if !strangers.is_empty() {
        term::warn(&format!(
            "not part of the installation: {}; `kubectl apply -k` skips them",
            strangers.join(", ")
        ));
    }
    let mut steps = String::from("next:\n");
    let edit: Vec<_> = files.iter().filter(|it| it.1.contains("# EDIT: ")).collect();
    if !edit.is_empty() {
        let _ =
            writeln!(steps, "  edit what is marked EDIT in {}", term::count(edit.len(), "file"));
        for (file, _) in edit {
            let _ = writeln!(steps, "    {file}");
        }
    }
    let namespace = &topology.namespace;
    let _ = write!(steps, "  kubectl create namespace {namespace}\n  kubectl apply -k {path}");
    term::say(&steps);
}

/// An issuer on the command line: `ClusterIssuer/NAME`, `Issuer/NAME` or `NAME`.
#[derive(Clone, Debug)]
struct IssuerArg {
    kind: String,
    name: String,
}

impl FromStr for IssuerArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, name) = text.split_once('/').unwrap_or(("ClusterIssuer", text));
        let kind = ["ClusterIssuer", "Issuer"].into_iter().find(|it| it.eq_ignore_ascii_case(kind));
        match kind {
            Some(kind) if !name.is_empty() && !name.contains('/') => {
                Ok(Self { kind: kind.to_owned(), name: name.to_owned() })
            }
            _ => Err("expected `ClusterIssuer/NAME`, `Issuer/NAME` or `NAME`".to_owned()),
        }
    }
}

/// A host name, without anything around it.
fn host(text: &str) -> Result<String, String> {
    if installation::is_host(text) {
        Ok(text.to_owned())
    } else {
        Err("expected a DNS name without a scheme, a port or a path, such as `kcp.example.com`"
            .to_owned())
    }
}
