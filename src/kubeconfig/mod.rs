//! Pure: endpoint and credentials to kubeconfig and Secret.
