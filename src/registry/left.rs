//! What is remembered of endpoints that left, for who keeps it over a restart.

use super::{Change, LiveRoutes, Source, entry};

/// Given under one lock, so that who waits for it waits for less than a
/// millisecond.
const PIECE: usize = 1_024;

impl LiveRoutes {
    /// Gives `each` all that is remembered at this moment, as changes that are
    /// to be made before any that brings an endpoint back.
    pub(crate) fn each_left<E>(
        &self,
        mut each: impl FnMut(Source, &Change) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut numbers = self.shared().live.lock().ledger.tombstones.numbers();
        while !numbers.is_empty() {
            let piece = self.shared().live.lock().ledger.tombstones.left(&mut numbers, PIECE);
            for ((source, name, endpoint), updated_at_ns) in piece {
                let Some((host, path)) = entry::key(&name) else { continue };
                let (instance_id, updated_at_ns) = (None, Some(updated_at_ns));
                let left = Change::Unregister { host, path, endpoint, instance_id, updated_at_ns };
                each(source, &left)?;
            }
        }
        Ok(())
    }
}
