//! What processes cost, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// What some processes used so far, or hold now, together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time, in seconds.
    pub cpu: f64,
    /// Resident memory, in KiB.
    pub rss: u64,
    /// Resident memory with shared pages divided by those who share them, in KiB.
    pub pss: u64,
    /// How often a thread went to sleep by itself, which is as often as one was woken.
    pub wakeups: u64,
}

impl Usage {
    /// Of these processes, now.
    pub fn of(pids: &[u32]) -> Result<Self> {
        let mut sum = Self::default();
        for pid in pids {
            let one = Self::of_one(*pid).with_context(|| format!("process {pid} is gone"))?;
            sum.cpu += one.cpu;
            sum.rss += one.rss;
            sum.pss += one.pss;
            sum.wakeups += one.wakeups;
        }
        Ok(sum)
    }

    #[allow(clippy::cast_precision_loss, reason = "ticks of a few minutes at most")]
    fn of_one(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().context("no name")?.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let mut wakeups = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end between listing and reading.
            let status = fs::read_to_string(task?.path().join("status")).unwrap_or_default();
            wakeups += number(&status, "voluntary_ctxt_switches:");
        }
        Ok(Self {
            cpu: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
            rss: number(&memory, "Rss:"),
            pss: number(&memory, "Pss:"),
            wakeups,
        })
    }

    /// What was used since `before`; memory as it is now.
    pub fn since(self, before: Self) -> Self {
        Self { cpu: self.cpu - before.cpu, wakeups: self.wakeups.saturating_sub(before.wakeups), ..self }
    }

    /// Resident memory for people, in MB.
    pub fn megabytes(self) -> [String; 2] {
        [self.rss, self.pss].map(|kib| format!("{}.{}", kib / 1024, kib % 1024 * 10 / 1024))
    }
}

/// The number after `name` at the start of a line.
fn number(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
