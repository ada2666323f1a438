//! The options that every verb takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

// A doc comment here would replace the text about the whole program: this struct is flattened into it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
#[allow(
    clippy::struct_excessive_bools,
    clippy::doc_markdown,
    reason = "each is a switch, and the text is help to be read plain"
)]
pub struct Global {
    /// Socket of the daemon [env: FSMON_SOCKET]
    #[arg(long, global = true, value_name = "PATH", conflicts_with_all = ["user", "system"])]
    pub socket: Option<PathBuf>,

    /// Talk to your own daemon
    #[arg(long, global = true, conflicts_with = "system")]
    pub user: bool,

    /// Talk to the system's daemon
    #[arg(long, global = true)]
    pub system: bool,

    /// Print one JSON object per line; errors too, on stderr
    #[arg(long, global = true)]
    pub json: bool,

    /// When to use colour; NO_COLOR in the environment means never
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    // On a terminal, unless `NO_COLOR` is set. Doc comments here would make the help of every verb longer.
    #[default]
    Auto,
    Always,
    Never,
}
