//! Who holds how many connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Limits;

/// Counts connections, by user. `None` stands for a user whose credentials could not be had.
#[derive(Debug, Clone)]
pub struct Census {
    counts: Arc<Mutex<Counts>>,
    limits: Limits,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    strangers: usize,
    by_user: HashMap<Option<u32>, usize>,
}

/// One connection's place. Given back when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    census: Census,
    user: Option<u32>,
    admin: bool,
}

impl Census {
    /// Nobody is here yet.
    pub fn new(limits: Limits) -> Self {
        Self { counts: Arc::default(), limits }
    }

    /// A place for one more connection of this user, or why there is none.
    pub fn enter(&self, user: Option<u32>, admin: bool) -> Result<Ticket, &'static str> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let limits = &self.limits;
        if counts.all >= limits.connections {
            return Err("too many connections in all");
        }
        // Strangers together never take the places that the daemon's own people need to put things right.
        if !admin && counts.strangers >= limits.connections / 2 {
            return Err("too many connections of others");
        }
        let own = counts.by_user.entry(user).or_default();
        if *own >= if admin { limits.per_admin } else { limits.per_stranger } {
            return Err("too many connections of this user");
        }
        *own += 1;
        counts.all += 1;
        counts.strangers += usize::from(!admin);
        Ok(Ticket { census: self.clone(), user, admin })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut counts = self.census.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all -= 1;
        counts.strangers -= usize::from(!self.admin);
        if let Some(own) = counts.by_user.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                counts.by_user.remove(&self.user);
            }
        }
    }
}
