//! The `fsmond` program. Everything is in the library.

fn main() {}
