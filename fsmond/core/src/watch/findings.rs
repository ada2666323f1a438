//! What a reconcile found is told in portions, each when the one before is stored: a scan that finds a million new files
//! does not fill the memory with records that nobody has written yet. It never decides what is told.

use std::vec::IntoIter;

use fsmon_protocol::event::Why;

use super::tell::Learnt;
use super::{Handle, Watch};
use crate::io::Stat;
use crate::shared::Ctx;
use crate::tree::Flags;

/// So many findings are told at once; as many changed rows make a checkpoint due, which the next portion waits for.
const PORTION: usize = super::ledger::MANY;

/// What is to be told, in this order: what is not there any more, what is new, what is another one than before (perhaps
/// with a reason to add).
#[derive(Debug, Default)]
pub(super) struct Findings {
    gone: IntoIter<Handle>,
    new: IntoIter<(Handle, Stat)>,
    altered: IntoIter<(Handle, Stat, Option<Why>)>,
}

impl Findings {
    pub fn new(gone: Vec<Handle>, new: Vec<(Handle, Stat)>, altered: Vec<(Handle, Stat, Option<Why>)>) -> Self {
        Self { gone: gone.into_iter(), new: new.into_iter(), altered: altered.into_iter() }
    }

    /// The entries of what is yet to be told.
    pub fn ids(&self) -> impl Iterator<Item = Handle> + '_ {
        let gone = self.gone.as_slice().iter().copied();
        gone.chain(self.new.as_slice().iter().map(|new| new.0)).chain(self.altered.as_slice().iter().map(|a| a.0))
    }

    fn is_empty(&self) -> bool {
        self.ids().next().is_none()
    }
}

impl Watch {
    /// Tells the next portion, if it need not wait. Returns whether nothing is left.
    pub(super) fn tell_more(&mut self, ctx: &mut Ctx<'_>) -> bool {
        if !self.has_findings() {
            return true;
        }
        !self.ledger.storing() && self.tell_portion(ctx)
    }

    /// Tells a portion. Returns whether nothing is left.
    pub(super) fn tell_portion(&mut self, ctx: &mut Ctx<'_>) -> bool {
        for _ in 0..PORTION {
            if !self.tell_finding(ctx) {
                return true;
            }
        }
        !self.has_findings()
    }

    /// When the next portion is told, if it waits for nothing.
    pub(super) fn findings_deadline(&self) -> Option<u64> {
        (self.has_findings() && !self.ledger.storing()).then_some(0)
    }

    fn has_findings(&self) -> bool {
        self.scan.as_ref().is_some_and(|scan| !scan.findings.is_empty())
    }

    /// Tells the next, unless something was told of it since it was found. Returns whether there was one.
    fn tell_finding(&mut self, ctx: &mut Ctx<'_>) -> bool {
        let Some(findings) = self.scan.as_mut().map(|scan| &mut scan.findings) else { return false };
        if let Some(id) = findings.gone.next() {
            if let Some(at) = self.still_stands(id, true) {
                self.tell_gone(at, Learnt::SCANNED, ctx);
            }
        } else if let Some((id, stat)) = findings.new.next() {
            if let Some(at) = self.still_stands(id, false) {
                self.tell_create(at, stat, Learnt::SCANNED, ctx);
            }
        } else if let Some((id, stat, why)) = findings.altered.next() {
            if let Some(at) = self.still_stands(id, true) {
                self.tell_modify(at, stat, Learnt::SCANNED, why, ctx);
            }
        } else {
            return false;
        }
        true
    }

    /// The place of a finding that is told now, if it still stands.
    fn still_stands(&mut self, id: Handle, known: bool) -> Option<u32> {
        let at = self.usable(id, known)?;
        self.tree.node_mut(at).clear(Flags::DEFERRED);
        Some(at)
    }
}
