//! Whatever stands in a config: it is taken or refused with its lines, and what is said plays no tricks on a terminal.
#![no_main]

use std::path::Path;

use fsmond::app::check_rules;
use fsmond::host::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text, Path::new("fsmond.toml"), &check_rules) {
        Ok(config) => assert!(config.diff(&config).is_empty()),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && said.lines().all(|line| line.starts_with("fsmond.toml")), "{said}");
            assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
        }
    }
});
