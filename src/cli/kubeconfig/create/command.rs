//! The flags, and the order of the steps.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use clap::builder::OsStringValueParser;

use super::cluster;
use super::output::{self, Destination, Form};
use super::proof::{self, Proof};
use super::signing::{Signing, SigningArgs};
use super::verify;
use crate::api;
use crate::cli::args::ClusterArgs;
use crate::cli::completions::names;
use crate::cli::runtime::block_on;
use crate::error::{CliError, Kind};
use crate::kubeconfig::{
    Access, Credential, Request, ServerUrl, Target, TargetKind, Workspace, is_object_name,
    kubeconfig_secret,
};
use crate::model::duration::DurationError;
use crate::pki::{Issued, Leaf, PkiError, Validity};
use crate::server::auth::GROUP_READER;

/// The shortest life of a certificate that is worth handing out: the operator's limit.
const VALIDITY_MIN: Duration = Duration::from_secs(3600);

/// Make a kubeconfig for one user
///
/// Signs a client certificate and writes a kubeconfig with it, after checking the
/// certificate's chain, its life and, where the server's certificate lies at hand,
/// the names that it is for. `--verify` then connects with exactly what was written
/// and says whom the server sees.
///
/// The CA comes from the data directory of `kcpctl cache serve`, from files, from a
/// Secret, or with `--context` or `--kubeconfig` from the cluster that the target is
/// in, which then also knows the URL. `-o manifest` needs none: it writes the
/// operator's Kubeconfig object, and the operator signs (it adds the group
/// `kubeconfig:NAME` of its own accord).
///
/// Without `--group` a user of a cache server may read it (`kcpctl:reader`), and a
/// user of anything else has no group. A certificate cannot be called back: prefer a
/// short `--validity`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CreateArgs {
    /// Name of the Secret or object, and of the user unless `--user` says otherwise
    #[arg(value_name = "NAME", value_parser = object_name)]
    name: String,

    /// Server to enter: rootshard/X, shard/X, frontproxy/X or cacheserver/X
    #[arg(long, value_name = "KIND/X", add = names::targets())]
    target: Target,

    /// User: the certificate's common name [default: NAME]
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Group of the user; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,

    /// Life of the certificate, an hour at least, such as 24h or 8760h
    ///
    /// Without it 720h, or less if the CA ends before that.
    #[arg(long, value_name = "DURATION")]
    validity: Option<Life>,

    /// Workspace to begin in [default: root]
    #[arg(short = 'W', long, value_name = "PATH")]
    workspace: Option<Workspace>,

    /// URL of the server, without a workspace
    ///
    /// Known by itself for the cache server of a data directory, for the target in a
    /// cluster, and with `--namespace` for anything but a front-proxy: its Service.
    #[arg(long, value_name = "URL")]
    server: Option<ServerUrl>,

    /// Namespace of the target, the Secret and the object
    #[arg(short = 'n', long, value_name = "NAMESPACE", value_parser = object_name)]
    namespace: Option<String>,

    #[command(flatten)]
    signing: SigningArgs,

    #[command(flatten)]
    cluster: ClusterArgs,

    /// What to write
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    output: Form,

    /// Name of the Secret that carries the kubeconfig [default: NAME]
    #[arg(long, value_name = "NAME", value_parser = object_name, help_heading = "Output")]
    secret_name: Option<String>,

    /// File to write, readable by its owner only
    #[arg(long, value_name = "FILE", conflicts_with = "merge", help_heading = "Output")]
    output_file: Option<PathBuf>,

    /// Merge into a kubeconfig [default: the first one of KUBECONFIG, or ~/.kube/config]
    ///
    /// Nothing there is changed: its current context stays, and an entry of the same
    /// name that differs is an error unless `--force` or `--rename` say what to do.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = output::DEFAULT_KUBECONFIG,
        value_parser = OsStringValueParser::new(),
        help_heading = "Output"
    )]
    merge: Option<OsString>,

    /// Replace a file, or entries of the same name
    #[arg(long, help_heading = "Output")]
    force: bool,

    /// Other name for the entries that are merged
    #[arg(long, value_name = "NAME", requires = "merge", help_heading = "Output")]
    rename: Option<String>,

    /// Make the merged context the current one
    #[arg(long, requires = "merge", help_heading = "Output")]
    set_current_context: bool,

    /// Connect with what was written and say whom the server sees
    #[arg(long, help_heading = "Output")]
    verify: bool,
}

const EXAMPLES: &str = "\
Examples:
  # Read access to the cache of `kcpctl cache serve`, for a day, checked against the server
  kcpctl kubeconfig create ci --target cacheserver/cache --data-dir .kcpctl --validity 24h --verify

  # A Secret with a kubeconfig for a front-proxy, signed by the operator's client CA
  kubectl get secret root-client-ca -o yaml | kcpctl kubeconfig create alice \\
    --target frontproxy/front --server https://kcp.example.com:6443 -W root:org \\
    --group team-a --ca-secret - -o secret | kubectl apply -f -

  # The same, with the CA and the URL as they are in the cluster
  kcpctl kubeconfig create alice --context prod -n demo --target frontproxy/front -W root:org \\
    --group team-a -o secret | kubectl apply -f -

  # The same as an object, for the operator to sign
  kcpctl kubeconfig create alice --target frontproxy/front -W root:org --group team-a -o manifest";

/// The life of a certificate in hours when none is named: 30 days.
const VALIDITY_DEFAULT: u32 = 720;

/// The life of a certificate, as the operator writes it.
#[derive(Clone, Debug)]
struct Life {
    text: api::Duration,
    span: Duration,
}

impl Life {
    /// The text of what was named, or of the default.
    fn text_of(named: Option<Self>) -> api::Duration {
        named.map_or_else(|| api::Duration::from_hours(VALIDITY_DEFAULT), |it| it.text)
    }
}

impl FromStr for Life {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text: api::Duration = text.parse().map_err(|error: DurationError| error.to_string())?;
        let span = text.to_std().filter(|span| *span >= VALIDITY_MIN);
        let span = span.ok_or("expected one hour (`1h`) or more")?;
        Ok(Self { text, span })
    }
}

fn object_name(name: &str) -> Result<String, &'static str> {
    if is_object_name(name) {
        return Ok(name.to_owned());
    }
    Err(
        "expected the name of an object: lowercase letters, digits, `-` and `.`, beginning and ending with a letter or digit",
    )
}

pub(in crate::cli::kubeconfig) fn run(args: CreateArgs) -> Result<(), CliError> {
    args.check()?;
    let CreateArgs {
        name,
        target,
        user,
        groups,
        validity,
        workspace,
        server,
        namespace,
        signing,
        cluster,
        output: form,
        secret_name,
        output_file,
        merge,
        force,
        rename,
        set_current_context,
        verify: asks_server,
    } = args;
    let user = user.unwrap_or_else(|| name.clone());
    let secret = secret_name.as_deref().unwrap_or(&name);
    let destination = Destination::choose(output_file, merge, force, rename, set_current_context)?;
    if form == Form::Manifest {
        let request = Request {
            name: &name,
            namespace: namespace.as_deref(),
            target: &target,
            workspace: workspace.as_ref(),
            user: &user,
            groups: &groups,
            validity: &Life::text_of(validity),
            secret,
        };
        return write_request(&request, &destination);
    }

    let groups = match target.kind {
        TargetKind::CacheServer if groups.is_empty() => vec![GROUP_READER.to_owned()],
        _ => groups,
    };
    let (signing, namespace) = if cluster.is_any() {
        let server_ca = signing.server_ca()?;
        let load = cluster::load(cluster, namespace.as_deref(), &target, server_ca);
        let (signing, namespace) = block_on(load)?;
        (signing, Some(namespace))
    } else {
        (signing.load(&target)?, namespace)
    };
    let namespace = namespace.as_deref();
    let server = server_url(server, &target, namespace, &signing)?;
    let now = SystemTime::now();
    let issued = issue(&signing, &user, &groups, validity.map(|it| it.span), now)?;
    let access = Access {
        target: &target,
        server: &server,
        workspace: &workspace.unwrap_or_default(),
        ca: Credential::Inline(signing.server_ca_pem.clone()),
        user: &user,
        cert: Credential::Inline(issued.cert_pem),
        key: Credential::Inline(issued.key_pem),
    };
    let kubeconfig = access.to_kubeconfig();
    let yaml = kubeconfig.to_yaml();
    let proof = Proof::of(&yaml, &target, &signing, now)?;
    let written = if form == Form::Secret {
        output::write(&kubeconfig_secret(secret, namespace, &yaml), form, &destination)?
    } else {
        output::write_kubeconfig(&kubeconfig, &destination)?
    };
    tell(&proof, &target, &server, written.place.as_deref(), asks_server);
    if asks_server {
        verify::ask(&written.kubeconfig(form, yaml)?, &target, &proof)?;
    }
    Ok(())
}

/// Writes the object that lets the operator do the rest.
fn write_request(request: &Request<'_>, destination: &Destination) -> Result<(), CliError> {
    let text = request.to_yaml().map_err(|error| {
        CliError::new(Kind::Usage, error)
            .hint("use `-o kubeconfig` or `-o secret` with the CA that signs")
    })?;
    output::write(&text, Form::Manifest, destination).map(drop)
}

/// Shows what was checked and where it was written.
fn tell(
    proof: &Proof,
    target: &Target,
    server: &ServerUrl,
    place: Option<&str>,
    asks_server: bool,
) {
    proof.show(asks_server);
    if target.kind == TargetKind::CacheServer && server.has_path() {
        proof::line("note", "kubectl can use a URL with a path, a shard cannot: it adds its own");
    }
    if let Some(place) = place {
        proof::line("written", place);
    }
}

impl CreateArgs {
    /// Refuses what only looks like a combination.
    fn check(&self) -> Result<(), CliError> {
        let usage = |message: String, hint: &str| {
            Err(CliError::new(Kind::Usage, anyhow::anyhow!(message)).hint(hint))
        };
        if self.target.kind == TargetKind::CacheServer && self.workspace.is_some() {
            return usage(
                format!("`{}` has no workspaces", self.target),
                "leave `--workspace` out, or name a shard or front-proxy as `--target`",
            );
        }
        if self.merge.is_some() && self.output != Form::Kubeconfig {
            return usage(
                "only a kubeconfig can be merged into a kubeconfig".to_owned(),
                "leave `--merge` out, or use `-o kubeconfig`",
            );
        }
        if self.output == Form::Manifest {
            let signs = self.signing.is_any() || self.cluster.is_any();
            if self.verify || signs || self.server.is_some() {
                return usage(
                    "with `-o manifest` the operator signs, and knows the server".to_owned(),
                    "leave `--verify`, `--server` and the flags that name a CA out",
                );
            }
        } else if self.output == Form::Kubeconfig && self.secret_name.is_some() {
            return usage(
                "a kubeconfig file has no Secret's name".to_owned(),
                "leave `--secret-name` out, or use `-o secret`",
            );
        }
        Ok(())
    }
}

/// The URL that was named, or the one that follows from what is known.
fn server_url(
    named: Option<ServerUrl>,
    target: &Target,
    namespace: Option<&str>,
    signing: &Signing,
) -> Result<ServerUrl, CliError> {
    if let Some(url) = named {
        return Ok(url);
    }
    if let Some(url) = &signing.url {
        return Ok(url.clone());
    }
    let service = namespace.and_then(|namespace| target.service_url(namespace));
    if let Some(url) = service.and_then(|url| url.parse().ok()) {
        return Ok(url);
    }
    let cause = anyhow::anyhow!("the URL of `{target}` is not known");
    let error = CliError::new(Kind::Usage, cause).hint("name it with `--server https://HOST:PORT`");
    Err(if target.kind == TargetKind::FrontProxy {
        error
    } else {
        error.hint("or name the namespace with `--namespace`, for its Service inside the cluster")
    })
}

fn issue(
    signing: &Signing,
    user: &str,
    groups: &[String],
    life: Option<Duration>,
    now: SystemTime,
) -> Result<Issued, CliError> {
    let ca = &signing.authority;
    let ca_end = ca.certificate().validity.not_after;
    // Who names a life gets it or an error; who does not gets what the CA has left.
    let validity = match life {
        Some(life) => Validity::starting(now, life),
        None => Validity::starting(now, VALIDITY_MIN * VALIDITY_DEFAULT)
            .map(|it| if ca_end > now { it.ending_by(ca_end) } else { it }),
    };
    let signed = validity.and_then(|it| ca.issue(Leaf::Client { user, groups }, it));
    signed.map_err(|error| {
        let left = ca_end.duration_since(now).unwrap_or_default();
        let hint = match &error {
            PkiError::OutlivesCa { .. } if left >= VALIDITY_MIN => {
                Some(format!("ask for `--validity {}h` at most", left.as_secs() / 3600))
            }
            PkiError::OutlivesCa { .. } | PkiError::CaNotValid { .. } => {
                Some("renew the CA first".to_owned())
            }
            PkiError::Name { .. } => Some("choose another `--user` or `--group`".to_owned()),
            PkiError::Time => Some("ask for a shorter `--validity`".to_owned()),
            _ => None,
        };
        let cause = anyhow::Error::new(error).context("cannot sign the certificate");
        let error = CliError::new(Kind::Config, cause);
        hint.into_iter().fold(error, CliError::hint)
    })
}
