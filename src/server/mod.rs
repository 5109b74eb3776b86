//! The cache server: one Kubernetes-style API over one view.
