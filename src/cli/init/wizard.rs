//! The questions of `kcpctl init installation`: one for each flag that matters and
//! was not given.

use crate::error::CliError;
use crate::installation::{self, CacheMode, EtcdMode, Overrides, Profile, Shards};
use crate::term;

/// Asks on the terminal for what `flags` do not say.
pub(super) fn ask(flags: &mut Overrides) -> Result<(), CliError> {
    if flags.profile.is_none() {
        let choices = ["dev: small, loses data with its disks", "production: survives a node"];
        let chosen = term::choose("Profile", &choices, 0, "--profile")?;
        flags.profile = Some([Profile::Dev, Profile::Production][chosen]);
    }
    let production = flags.profile == Some(Profile::Production);

    // Without an answer, dev is reached within its cluster only.
    let unset = "inside the cluster only";
    let hostname = term::text(
        "Host name that users reach",
        (!production).then_some(unset),
        "--hostname",
        |answer| {
            if answer == unset && !production || installation::is_host(answer) {
                Ok(())
            } else {
                Err("a DNS name without a scheme, a port or a path is expected".to_owned())
            }
        },
    )?;
    flags.hostname = Some(hostname).filter(|it| it != unset);
    if flags.namespace.is_none() {
        let default = flags.name.clone();
        let answer = term::text("Namespace", default.as_deref(), "--namespace", |_| Ok(()))?;
        flags.namespace = Some(answer);
    }
    if flags.shards.is_none() {
        let default = if production { "2" } else { "0" };
        let question = "Shards beside the root shard: how many, or their names";
        let answer = term::text(question, Some(default), "--shards", |answer| {
            answer.parse::<Shards>().map(drop)
        })?;
        flags.shards = answer.parse().ok();
    }
    // Production leaves no choice in what follows.
    if production {
        return Ok(());
    }
    if flags.cache.is_none() {
        let choices = ["embedded in the root shard", "a cache server that all shards share"];
        let chosen = term::choose("Cache", &choices, 0, "--cache")?;
        flags.cache = Some([CacheMode::Embedded, CacheMode::Server][chosen]);
    }
    if flags.etcd.is_none() && flags.etcd_endpoints.is_empty() {
        let choices = ["dev: one member for each server, written too", "external: there already"];
        let chosen = term::choose("Etcd", &choices, 0, "--etcd")?;
        flags.etcd = Some([EtcdMode::Dev, EtcdMode::External][chosen]);
    }
    Ok(())
}
