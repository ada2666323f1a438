//! Where the programs under test are, and building them once where they are not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder that holds `fsmond` and `fsmonctl`: `FSMON_BIN_DIR`, else the profile's folder this program was built
/// into. In the latter they are built first, once per process, so that no test ever runs against old ones.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| match std::env::var_os("FSMON_BIN_DIR") {
        Some(given) => PathBuf::from(given),
        None => build(),
    })
}

/// The daemon's program.
pub fn fsmond() -> PathBuf {
    folder().join("fsmond")
}

/// The program that steers it.
pub fn fsmonctl() -> PathBuf {
    folder().join("fsmonctl")
}

/// Builds both into the folder next to this program and says which that is. `cargo test` alone does not: it builds
/// only what it tests.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("this program's path");
    let folder = own.ancestors().skip(1).find(|f| !f.ends_with("deps")).expect("a folder above deps").to_owned();
    let target = folder.parent().expect("the target folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "-p", "fsmond", "-p", "fsmonctl"]);
    cargo.arg("--target-dir").arg(target);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "fsmond and fsmonctl can't be built: cargo says {status}");
    folder
}

/// The full path of a program that may or may not be installed.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
