use std::sync::Arc;
use fsmon_core::io::WatchId;
use super::source::Source;
use super::threads::Threads;
use crate::edges::HintRing;
pub fn refusal() -> Option<String> { None }
pub fn start(_watch: WatchId, _threads: &Threads, _ring: &HintRing) -> Result<Arc<dyn Source>, String> { Err("none".into()) }
