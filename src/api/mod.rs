//! The operator.kcp.io types and the foreign types we touch.
