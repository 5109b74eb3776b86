//! Make and read certificates. No I/O.
