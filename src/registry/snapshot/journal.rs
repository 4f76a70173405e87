//! Changes on their way from the table to the file.
//!
//! The table's writer appends encoded changes and goes on; the keeper takes
//! them away a few times a second. If it does not, because the disk hangs, the
//! journal stops taking at a limit and says so: the whole table is then
//! written, which has what was left out.

use crate::registry::{Change, Source};
use crate::sync::Mutex;

use super::record;

/// Bytes that wait at most.
const MAX_PENDING: usize = 32 << 20;

/// What has changed and is not in the file yet.
#[derive(Debug, Default)]
pub struct Journal {
    pending: Mutex<Pending>,
}

/// Encoded changes, in their order.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) records: Vec<u8>,
    /// Whether changes were left out for want of room.
    pub(super) incomplete: bool,
}

impl Journal {
    /// Takes changes that are in force, or about to be. They are kept together
    /// or not at all, whenever the process ends. To be called in the order in
    /// which the changes take effect, thus by whoever holds the table's lock.
    pub fn record<'a>(&self, source: Source, changes: impl IntoIterator<Item = &'a Change>) {
        let mut pending = self.pending.lock();
        if pending.incomplete {
            return;
        }
        for change in changes {
            record::encode(source, change, &mut pending.records);
        }
        if pending.records.len() > MAX_PENDING {
            *pending = Pending { records: Vec::new(), incomplete: true };
        }
    }

    /// What waits; nothing waits then.
    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut self.pending.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_limit_it_holds_nothing_and_says_so() {
        let journal = Journal::default();
        let (host, path) = ("a.test".parse().unwrap(), "/".parse().unwrap());
        let change = Change::RemoveRoute { host, path };
        let mut one = Vec::new();
        record::encode(Source::Nats, &change, &mut one);
        let few = MAX_PENDING / one.len();
        journal.record(Source::Nats, std::iter::repeat_n(&change, few));
        let taken = journal.take();
        assert_eq!((taken.records.len(), taken.incomplete), (few * one.len(), false));
        journal.record(Source::Nats, std::iter::repeat_n(&change, few + 1));
        journal.record(Source::Nats, [&change]);
        let taken = journal.take();
        assert_eq!((taken.records.len(), taken.incomplete), (0, true));
        journal.record(Source::Nats, [&change]);
        assert!(!journal.take().incomplete, "it begins anew");
    }
}
