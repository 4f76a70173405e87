//! What a newer table says to a request that waits in line.
//!
//! A request works on the table it began with. But one that waits has done
//! nothing with it yet, and its endpoints may be leaving, or others have come to
//! relieve them. So where its route has endpoints in a newer table that it knows
//! nothing of, it goes on there, with its turn and what is left of its time. One
//! that has tried an endpoint already stays, since what it has tried is counted
//! by that table; it waits for nobody who is gone. Whose attempt met an old
//! connection has tried no endpoint, and goes with the count of its attempts.

use std::collections::HashSet;
use std::sync::Arc;

use crate::attempt::Planner;
use crate::endpoint::EndpointState;
use crate::request::Scope;
use crate::route::Pinned;
use crate::router::queue::Queue;
use crate::router::{RouteId, Snapshot};

/// The newest table, beside the one of a request that waits.
pub(super) struct Newer {
    seen: Pinned<Snapshot>,
    /// Which of its endpoints are gone, by index; empty while none is.
    gone: Vec<bool>,
    /// Where its route has others.
    others: Option<RouteId>,
}

impl Newer {
    pub(super) fn of(queue: &Queue<'_>, scope: &Scope, planner: &Planner) -> Self {
        let seen = queue.worker.snapshots.pin();
        let mut newer = Self { seen, gone: Vec::new(), others: None };
        newer.compare(queue, scope, planner);
        newer
    }

    /// Looks whether there is another table.
    pub(super) fn look(&mut self, queue: &Queue<'_>, scope: &Scope, planner: &Planner) {
        let current = queue.worker.snapshots.pin();
        if !std::ptr::eq(&*current, &*self.seen) {
            self.seen = current;
            self.compare(queue, scope, planner);
        }
    }

    fn compare(&mut self, queue: &Queue<'_>, scope: &Scope, planner: &Planner) {
        let own = queue.route.entry();
        let (host, path) = own.host_and_path();
        let now = self.seen.entries().get_text(host, path);
        (self.gone, self.others) = (Vec::new(), None);
        if now.is_some_and(|now| std::ptr::eq(&**now, own)) {
            return;
        }
        let addresses =
            now.iter().flat_map(|now| &now.endpoints).map(|endpoint| endpoint.address());
        let mut addresses: HashSet<_> = addresses.collect();
        let gone = |state: &Arc<EndpointState>| !addresses.contains(&state.address());
        self.gone = queue.set.endpoints().iter().map(gone).collect();
        queue.set.endpoints().iter().for_each(|own| _ = addresses.remove(&own.address()));
        if !addresses.is_empty() && planner.tried().is_empty() && scope.may_move() {
            let head = queue.head;
            // Another route, more specific, may have come between.
            self.others = self
                .seen
                .lookup(head.host(), head.path())
                .filter(|id| self.seen.route(*id).name == queue.route.name);
        }
    }

    /// Whether the endpoint of this index is gone.
    pub(super) fn is_gone(&self, index: usize) -> bool {
        self.gone.get(index).is_some_and(|gone| *gone)
    }

    /// Where to go on instead.
    pub(super) fn moves_to(&self) -> Option<(Pinned<Snapshot>, RouteId)> {
        self.others.map(|route| (self.seen.clone(), route))
    }
}
