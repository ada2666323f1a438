//! Where records of `tracing` come in and become lines for every output.

use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::line::{Parts, Style};
use super::queue::Queue;

/// One place where lines go.
#[derive(Debug)]
pub struct Output {
    /// How they look there.
    pub style: Style,
    /// What leads there.
    pub queue: Arc<Queue>,
}

/// The layer that writes lines. Spans are not shown: a record says all by itself.
#[derive(Debug)]
pub struct Lines {
    outputs: Vec<Output>,
}

impl Lines {
    /// To these outputs.
    pub const fn new(outputs: Vec<Output>) -> Self {
        Self { outputs }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut parts = None;
        for Output { style, queue } in &self.outputs {
            // Asked first: a flood costs a count, not a line.
            if queue.admits(level) {
                queue.push(parts.get_or_insert_with(|| Parts::of(event)).line(*style));
            }
        }
    }
}
