//! Pure: topology file and flags to operator objects, and their validation.
