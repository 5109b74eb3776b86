//! One signal, many listeners.
