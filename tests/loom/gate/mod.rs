//! The gate of an endpoint and the line before it: whoever goes in, waits, or
//! gives up waiting, while others leave.
//!
//! These are driven through the crate's own door, from `EndpointSet::enter` and
//! `Queued` down to gate, line, lease and count, so that all of it is modelled
//! as it ships. A waiter is polled when it is woken and never again: the looks
//! it takes every 200 ms besides are not what lets it in.

mod bound;
mod crossing;
mod put_up;
mod removal;

use std::future::poll_fn;
use std::task::{Poll, Waker};

use loom::future::block_on;
use pointsman::endpoint::{
    Asked, Balance, Choosing, EndpointRegistry, EndpointSet, Entrance, Full, Lease, Member, Queued,
    Tried,
};

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Endpoints of a route, and a line before them.
struct Route {
    registry: EndpointRegistry,
    set: EndpointSet,
}

impl Route {
    /// Each endpoint lets in `limit` at a time, unless it is `None`; `most` wait.
    fn new(endpoints: u16, limit: Option<u64>, most: u64) -> Self {
        let registry = EndpointRegistry::new(3);
        let members = (0..endpoints).map(|port| Member {
            endpoint: registry.resolve(([192, 0, 2, 1], port).into()),
            weight: 1,
            near: true,
            since_ms: 0,
        });
        let set = EndpointSet::new(members.collect(), Choosing::by(Balance::RoundRobin, 3));
        let set = set.with_line(registry.line(&"a.test".into(), most));
        let route = Self { registry, set };
        for endpoint in route.set.endpoints() {
            // What is made at the first use is made by `std`, which loom does not
            // see: it would think that a thread reads what was never written.
            (0..3).for_each(|worker| assert_eq!(endpoint.in_flight_seen_by(worker, 0), 0));
        }
        route.limit(limit);
        route
    }

    fn limit(&self, limit: Option<u64>) {
        let all = self.set.endpoints().iter();
        self.registry.enforce(all.map(|endpoint| (endpoint.address(), limit)), None);
    }

    fn try_enter(&self, worker: usize) -> Option<Lease> {
        match self.set.enter(&asked(worker), &Tried::new()) {
            Entrance::In(_, lease) => Some(lease),
            Entrance::Full => None,
            Entrance::NoneLeft => panic!("there is an endpoint"),
        }
    }

    fn join(&self, worker: usize) -> Result<Queued<'_>, Full> {
        Queued::join(&self.set, worker, None)
    }

    /// Goes in, at once or when it is let in.
    fn enter(&self, worker: usize) -> Lease {
        self.try_enter(worker).unwrap_or_else(|| self.wait(worker))
    }

    /// Queues, and goes in when it is let in: fewer steps than with a look for
    /// room before it.
    fn wait(&self, worker: usize) -> Lease {
        let mut queued = self.join(worker).expect("there is room in the line");
        block_on(poll_fn(|cx| look(&mut queued, worker, cx.waker())))
    }
}

/// One look of a waiter to whom every endpoint is welcome.
fn look(queued: &mut Queued<'_>, worker: usize, waker: &Waker) -> Poll<Lease> {
    match queued.poll(waker, &Tried::new(), |_| false, &asked(worker)) {
        Poll::Ready(Entrance::In(_, lease)) => Poll::Ready(lease),
        Poll::Ready(_) => panic!("there is an endpoint"),
        Poll::Pending => Poll::Pending,
    }
}

fn asked(worker: usize) -> Asked {
    Asked { worker, ..Asked::default() }
}

/// How many are in, as they themselves count.
struct Count(AtomicUsize);

impl Count {
    fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    fn begin(&self, most: usize) {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        assert!(before < most, "more are in than may be");
    }

    fn end(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
