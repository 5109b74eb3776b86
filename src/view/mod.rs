//! Snapshots, history rings, watch cursors, and the one commit path.
