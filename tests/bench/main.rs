//! The benchmark: fsmond and its peers on the same work, in turn, on one machine.
//!
//! Figures are for comparing within one run; no test asserts them. Peers that are not installed are left out and
//! named. Trees are on tmpfs, so that what is measured is the watching; fsmond's state is on disk, where it belongs.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that goes wrong has to end loudly")]

mod arm;
mod burst;
mod during_run;
mod feed;
mod idle;
mod latency;
mod overflow;
mod procs;
mod race;
mod restart;
mod runs;
mod soak;
mod table;
mod tools;
mod work;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::table::Table;

/// Measures fsmond beside other file watchers.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Cli {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    common: Common,
}

/// What every measurement takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Only these tools [default: all that are installed]
    #[arg(long, global = true, value_delimiter = ',', value_name = "TOOL,…")]
    tools: Vec<String>,
    /// Print the table as Markdown
    #[arg(long, global = true)]
    markdown: bool,
    /// Where to make the trees
    #[arg(long, global = true, default_value = "/dev/shm", value_name = "DIR")]
    place: PathBuf,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Files flat out into 100 folders: how many are lost, and what one costs
    Burst {
        /// How many
        #[arg(long, default_value_t = 100_000)]
        files: u32,
    },
    /// From the close of a file to the line that tells of it
    Latency {
        /// How many in all
        #[arg(long, default_value_t = 5_000)]
        files: u32,
        /// How many each second
        #[arg(long, default_value_t = 500)]
        rate: u32,
    },
    /// Folders six deep and at once a file in the deepest: how many are lost
    Race {
        /// How many times
        #[arg(long, default_value_t = 500)]
        times: u32,
    },
    /// A large tree: how long until all of it is watched, and the memory that takes
    Arm {
        /// Folders in the tree
        #[arg(long, default_value_t = 50_000)]
        folders: u32,
        /// Files in the tree
        #[arg(long, default_value_t = 200_000)]
        files: u32,
    },
    /// A large tree in which nothing happens: CPU and wake-ups
    Idle {
        /// Folders in the tree
        #[arg(long, default_value_t = 50_000)]
        folders: u32,
        /// For how long, in seconds
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// One run of /bin/true for each file, two at once, beside a bare loop that starts as many, and lines to a worker
    Runs {
        /// How many
        #[arg(long, default_value_t = 5_000)]
        files: u32,
    },
    /// More files than the kernel keeps events for, while the tool is stopped: how many are lost
    Overflow {
        /// How many
        #[arg(long, default_value_t = 50_000)]
        files: u32,
    },
    /// A few changes in a large tree while the tool is down: which are told after its next start, and what else
    Restart {
        /// Folders in the tree
        #[arg(long, default_value_t = 2_000)]
        folders: u32,
        /// Files in the tree
        #[arg(long, default_value_t = 200_000)]
        files: u32,
    },
    /// A file that changes 30 times in 3 s, with a command of 1 s: whether it gets the last content, and what twice
    DuringRun,
    /// Very many names that come and go: whether memory and descriptors come back. fsmond alone
    Soak {
        /// Files made and deleted
        #[arg(long, default_value_t = 1_000_000)]
        names: u32,
        /// Folders made and removed
        #[arg(long, default_value_t = 100_000)]
        folders: u32,
    },
    /// A worker that only answers, for `runs`
    #[command(hide = true)]
    Worker,
    /// The bare `notify` crate, as one of the peers
    #[command(hide = true)]
    NotifyPeer {
        /// What to watch
        root: PathBuf,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let common = &cli.common;
    let table: Table = match cli.what {
        What::Burst { files } => burst::measure(common, files),
        What::Latency { files, rate } => latency::measure(common, files, rate),
        What::Race { times } => race::measure(common, times),
        What::Arm { folders, files } => arm::measure(common, folders, files)?,
        What::Idle { folders, seconds } => idle::measure(common, folders, seconds)?,
        What::Runs { files } => runs::measure(common, files)?,
        What::Overflow { files } => overflow::measure(common, files),
        What::Restart { folders, files } => restart::measure(common, folders, files),
        What::DuringRun => during_run::measure(common),
        What::Soak { names, folders } => soak::measure(common, names, folders)?,
        What::Worker => return runs::answer(),
        What::NotifyPeer { root } => return tools::notify::watch(&root),
    };
    print!("{}", if common.markdown { table.markdown() } else { table.text() });
    Ok(())
}
