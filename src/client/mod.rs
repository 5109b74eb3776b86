//! Talking to others: the cache client, kubeconfig files, probes.
