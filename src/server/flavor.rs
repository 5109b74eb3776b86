//! Which server we are.

/// Which server the paths, flags and files should look like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flavor {
    /// Our own: the cache plane stands below `/services/cache`, the control plane at
    /// the root.
    Kcpctl,
    /// The original cache server: its paths are answered with and without
    /// `/services/cache`, and there is nothing else.
    CacheServer,
}
