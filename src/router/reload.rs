//! New settings, new addresses and new routes in the place of the old, in one
//! step each.

use std::sync::Arc;
use std::time::Instant;

use crate::config::Settings;
use crate::registry::{Bounds, Entries, LOOKS_AT_ONCE, Source};
use crate::router::{Draft, Shared, SnapshotError, snapshot};

impl Shared {
    /// Puts new settings in force, or changes nothing. To be counted by the
    /// caller, once everything says so.
    pub(crate) fn reload(&self, settings: Settings) -> Result<(), SnapshotError> {
        let retry = settings.retry.clone();
        let draft = Draft::new(Arc::new(settings), &self.node, &self.tls)?;
        let now_ms = self.now_ms(Instant::now());
        let live_differ = {
            let mut live = self.live.lock();
            let live_differ = draft.make_live_so(self.makings());
            live.ledger.bounds = Bounds::of(&draft.settings.registry);
            live.ledger.set_file(&draft.routes, now_ms, self.makings());
            // Before the table: nobody finds a new endpoint without its limit.
            draft.enforce_limits(self.makings());
            self.snapshots.publish(Arc::new(draft.with(live.ledger.table.clone())));
            live_differ
        };
        if live_differ {
            self.remake_live();
        }
        self.published.send_replace(());
        self.budget.set_terms(retry.budget_percent, retry.budget_min);
        Ok(())
    }

    /// Puts other routes in force under the same settings. To be called under
    /// the lock of `live`, as every publication is.
    pub(crate) fn publish_table(&self, table: &Entries) {
        self.snapshots.publish(Arc::new(self.snapshots.current().with(table.clone())));
    }

    /// Puts the addresses in force that the names of the file have now.
    pub(crate) fn take_up_addresses(&self) {
        let now_ms = self.now_ms(Instant::now());
        {
            let mut live = self.live.lock();
            let snapshot = self.snapshots.current();
            if !live.ledger.take_up_addresses(snapshot.file_routes(), now_ms, self.makings()) {
                return;
            }
            snapshot::enforce_limits(&snapshot.settings, self.makings());
            self.publish_table(&live.ledger.table);
        }
        self.published.send_replace(());
    }

    /// Makes anew what balances live routes that are in use; one that is used
    /// first from now on gets it so by itself. In pieces, since there may be a
    /// million, and others wait for the lock.
    fn remake_live(&self) {
        let in_use = self.snapshots.current().entries().clone().into_values().filter(|top| {
            top.layers().any(|layer| layer.source != Source::File && layer.is_in_use())
        });
        let names: Vec<Arc<str>> = in_use.map(|top| Arc::clone(&top.name)).collect();
        for piece in names.chunks(LOOKS_AT_ONCE) {
            let mut live = self.live.lock();
            live.ledger.remake(piece, self.makings());
            self.publish_table(&live.ledger.table);
        }
    }
}
