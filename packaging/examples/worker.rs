//! A worker: `fsmonctl add /data --mode worker -- /path/to/worker`. Needs `serde_json`.

use std::io::{self, BufRead, Write};

use serde_json::{Value, json};

/// Yours. What it prints goes to stderr and so to `fsmonctl logs`; an error means: try again.
fn process(path: &str, trigger: &str) -> Result<(), String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    eprintln!("{trigger}: {path} ({size} bytes)");
    Ok(())
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let job: Value = serde_json::from_str(&line?)?;
        let text = |key: &str| job[key].as_str().unwrap_or_default();
        let answer = match process(text("path"), text("trigger")) {
            Ok(()) => json!({ "run": job["run"], "status": "ok" }),
            Err(why) => json!({ "run": job["run"], "status": "retry", "message": why }),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}
