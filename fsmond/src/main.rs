//! The `fsmond` program. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    fsmond::app::main()
}
