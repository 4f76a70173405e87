use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::endpoint::condition::Reason;
use crate::endpoint::{Balance, Choosing, EndpointRegistry, Member};

/// Endpoints of a route, and a line before them.
struct Route {
    registry: EndpointRegistry,
    set: EndpointSet,
}

/// Counts how often it is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bell {
    fn rings(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The endpoints let in `limits` at a time, 0 being none; `most` wait.
fn route(limits: &[u64], most: u64) -> Route {
    let registry = EndpointRegistry::new(1);
    let members = (0..limits.len()).map(|port| Member {
        endpoint: registry.resolve(([192, 0, 2, 1], port as u16).into()),
        weight: 1,
        near: true,
        since_ms: 0,
    });
    let set = EndpointSet::new(members.collect(), Choosing::by(Balance::RoundRobin, 1));
    let set = set.with_line(registry.line(&"a.test".into(), most));
    let route = Route { registry, set };
    route.limit(limits);
    route
}

impl Route {
    fn limit(&self, limits: &[u64]) {
        let limits = limits.iter().map(|limit| Some(*limit).filter(|limit| *limit > 0));
        let all = self.set.endpoints().iter().map(|endpoint| endpoint.address());
        self.registry.enforce(all.zip(limits), None);
    }

    fn enter(&self, asked: &Asked, tried: &[usize]) -> Result<(usize, Lease), bool> {
        let mut all = Tried::new();
        tried.iter().for_each(|index| all.insert(*index));
        entered(self.set.enter(asked, &all))
    }

    fn try_enter(&self) -> Result<(usize, Lease), bool> {
        self.enter(&Asked::default(), &[])
    }

    fn join(&self) -> Queued<'_> {
        Queued::join(&self.set, 0, None).expect("there is room in the line")
    }
}

/// Where it went; else whether there is anything to wait for.
fn entered(entrance: Entrance<'_>) -> Result<(usize, Lease), bool> {
    match entrance {
        Entrance::In(choice, lease) => Ok((choice.index, lease)),
        Entrance::Full => Err(true),
        Entrance::NoneLeft => Err(false),
    }
}

/// A look for what `is_gone` leaves.
fn look_at(
    queued: &mut Queued<'_>,
    bell: &Arc<Bell>,
    asked: &Asked,
    is_gone: impl Fn(usize) -> bool,
) -> Option<Result<(usize, Lease), bool>> {
    let waker = Waker::from(Arc::clone(bell));
    match queued.poll(&waker, &Tried::new(), is_gone, asked) {
        Poll::Ready(entrance) => Some(entered(entrance)),
        Poll::Pending => None,
    }
}

fn look(queued: &mut Queued<'_>, bell: &Arc<Bell>) -> Option<(usize, Lease)> {
    let looked = look_at(queued, bell, &Asked::default(), |_| false)?;
    Some(looked.expect("nothing is gone"))
}

#[test]
fn who_waits_is_woken_once_in_the_order_of_coming() {
    let route = route(&[1], 9);
    let (_, inside) = route.try_enter().expect("there is room");
    assert!(route.try_enter().is_err_and(|waits| waits));
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let (mut first, mut second) = (route.join(), route.join());
    assert!(look(&mut second, &bells[1]).is_none());
    assert!(look(&mut first, &bells[0]).is_none());
    drop(inside);
    assert_eq!([bells[0].rings(), bells[1].rings()], [1, 0]);
    assert!(look(&mut second, &bells[1]).is_none());
    let (_, inside) = look(&mut first, &bells[0]).expect("it is its turn");
    drop(first);
    drop(inside);
    assert_eq!([bells[0].rings(), bells[1].rings()], [1, 1]);
    assert!(look(&mut second, &bells[1]).is_some());
}

#[test]
fn a_turn_that_is_not_taken_goes_to_the_next() {
    let route = route(&[1], 9);
    let (_, inside) = route.try_enter().expect("there is room");
    let bell = Arc::new(Bell::default());
    let (mut first, mut second) = (route.join(), route.join());
    assert!(look(&mut first, &bell).is_none() && look(&mut second, &bell).is_none());
    drop(inside);
    assert_eq!(bell.rings(), 1);
    drop(first);
    assert_eq!(bell.rings(), 2);
    drop(second);
    assert_eq!(route.set.line().waiting(), 0);
    let inside = route.try_enter();
    assert!(inside.is_ok() && route.try_enter().is_err(), "there is one place, as before");
}

#[test]
fn a_waiter_is_woken_by_the_waker_it_left_last() {
    let route = route(&[1], 9);
    let (_, inside) = route.try_enter().expect("there is room");
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let mut queued = route.join();
    assert!(bells.iter().all(|bell| look(&mut queued, bell).is_none()));
    drop(inside);
    assert_eq!([bells[0].rings(), bells[1].rings()], [0, 1]);
}

#[test]
fn a_waiter_keeps_its_waker_while_what_it_waits_for_changes() {
    let route = route(&[1, 1], 9);
    let holding = [route.try_enter(), route.try_enter()].map(|inside| inside.expect("room"));
    let bell = Arc::new(Bell::default());
    let mut queued = route.join();
    assert!(look(&mut queued, &bell).is_none());
    let (_, left) = holding.iter().find(|(index, _)| *index == 1).expect("each has one");
    assert_eq!(route.set.endpoints()[1].in_flight(), 1, "{left:?}");
    assert!(look_at(&mut queued, &bell, &Asked::default(), |index| index == 0).is_none());
    drop(holding);
    assert_eq!(bell.rings(), 1);
    let waited = look_at(&mut queued, &bell, &Asked::default(), |index| index == 0);
    assert!(matches!(waited, Some(Ok((1, _)))), "{waited:?}");
}

#[test]
fn of_two_routes_to_one_endpoint_the_one_that_came_first_goes_first() {
    let registry = EndpointRegistry::new(1);
    let endpoint = registry.resolve(([192, 0, 2, 1], 1).into());
    registry.enforce(std::iter::once((endpoint.address(), Some(1))), None);
    let routes = ["a.test", "b.test", "c.test"].map(|name| {
        let member = Member { endpoint: endpoint.clone(), weight: 1, near: true, since_ms: 0 };
        let set = EndpointSet::new(vec![member], Choosing::by(Balance::RoundRobin, 1));
        set.with_line(registry.line(&name.into(), 9))
    });
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut inside = endpoint.try_lease(0);
        let bells = [0; 3].map(|_| Arc::new(Bell::default()));
        let mut queued = order.map(|route| Queued::join(&routes[route], 0, None).expect("room"));
        // They are known to the gate in the order of the routes.
        for route in 0..3 {
            let nth = order.iter().position(|other| *other == route).expect("each once");
            assert!(look(&mut queued[nth], &bells[nth]).is_none());
        }
        for nth in 0..3 {
            drop(inside.take());
            let rings = bells.each_ref().map(|bell| bell.rings());
            assert_eq!(rings, [1, usize::from(nth > 0), usize::from(nth > 1)], "{order:?}");
            inside = look(&mut queued[nth], &bells[nth]).map(|(_, lease)| lease);
            assert!(inside.is_some());
        }
    }
}

#[test]
fn who_comes_to_what_others_wait_for_looks_for_another() {
    let registry = EndpointRegistry::new(1);
    let member = |port| Member {
        endpoint: registry.resolve(([192, 0, 2, 1], port).into()),
        weight: 1,
        near: true,
        since_ms: 0,
    };
    let set = EndpointSet::new(vec![member(1), member(2)], Choosing::by(Balance::LeastRequests, 1));
    let set = set.with_line(registry.line(&"a.test".into(), 9));
    let waits = Line::join(set.line(), None).expect("there is room in the line");
    waits.want(&[true, false]);
    let enter = |random| entered(set.enter(&Asked { random, ..Asked::default() }, &Tried::new()));
    let entered: Vec<_> = (0..100).filter_map(|random| enter(random).ok()).collect();
    assert!(entered.iter().all(|(index, _)| *index == 1));
    drop(entered);
    // Of three draws one leads there for seven of eight.
    let entered = (0..100).filter(|random| enter(*random).is_ok()).count();
    assert!(entered > 75, "{entered}");
}

#[test]
fn as_many_wait_as_may_and_a_place_that_is_left_is_free() {
    let route = route(&[1], 2);
    let (first, _second) = (route.join(), route.join());
    assert_eq!(Queued::join(&route.set, 0, None).err(), Some(Full));
    assert_eq!(route.set.line().waiting(), 2);
    drop(first);
    assert!(Queued::join(&route.set, 0, None).is_ok());
}

#[test]
fn an_earlier_ticket_goes_before_later_ones() {
    let route = route(&[1], 9);
    let (_, inside) = route.try_enter().expect("there is room");
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let first = route.join();
    let ticket = first.ticket();
    let mut second = route.join();
    assert!(look(&mut second, &bells[1]).is_none());
    drop(first);
    let mut again = Queued::join(&route.set, 0, Some(ticket)).expect("there is room in the line");
    assert_eq!(again.ticket(), ticket);
    assert!(look(&mut again, &bells[0]).is_none());
    drop(inside);
    assert_eq!([bells[0].rings(), bells[1].rings()], [1, 0]);
}

#[test]
fn who_joins_and_has_not_looked_is_in_nobodys_way() {
    let route = route(&[1, 1], 9);
    let _not_looked = route.join();
    assert!(route.try_enter().is_ok());
}

#[test]
fn a_newcomer_passes_those_who_wait_for_something_else() {
    let route = route(&[1, 0], 9);
    let bell = Arc::new(Bell::default());
    let own = Asked { stay_with: Some(0), ..Asked::default() };
    let (index, _inside) = route.enter(&own, &[]).expect("there is room");
    assert_eq!(index, 0);
    let mut queued = route.join();
    assert!(look_at(&mut queued, &bell, &own, |_| false).is_none());
    for _ in 0..9 {
        assert!(route.try_enter().is_ok_and(|(index, _)| index == 1));
    }
}

#[test]
fn one_that_would_stay_waits_for_its_own_endpoint_while_that_is_fit() {
    let route = route(&[1, 1], 9);
    let bell = Arc::new(Bell::default());
    let own = Asked { stay_with: Some(0), ..Asked::default() };
    let (_, inside) = route.enter(&own, &[]).expect("there is room");
    assert!(route.enter(&own, &[]).is_err_and(|waits| waits), "the other has room");
    assert!(route.enter(&own, &[0]).is_ok_and(|(index, _)| index == 1), "it was tried");
    let mut queued = route.join();
    assert!(look_at(&mut queued, &bell, &own, |_| false).is_none());
    drop(inside);
    let waited = look_at(&mut queued, &bell, &own, |_| false);
    assert!(matches!(waited, Some(Ok((0, _)))), "{waited:?}");
    drop(queued);
    // And where it is not fit, it is as if it were not there.
    route.set.endpoints()[0].pass_over(0, Reason::New);
    let mut queued = route.join();
    let waited = look_at(&mut queued, &bell, &own, |_| false);
    assert!(matches!(waited, Some(Ok((1, _)))), "{waited:?}");
    drop((queued, waited));
    assert!(route.enter(&own, &[]).is_ok_and(|(index, _)| index == 1));
}

#[test]
fn a_place_declined_goes_on_and_one_that_became_free_meanwhile_is_found() {
    let route = route(&[1, 1], 9);
    let holding = [route.try_enter(), route.try_enter()].map(|inside| inside.expect("room"));
    let [mut queued, mut next] = [route.join(), route.join()];
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    assert!(look(&mut queued, &bells[0]).is_none());
    let only_first = |index| index == 1;
    assert!(look_at(&mut next, &bells[1], &Asked::default(), only_first).is_none());
    let [a, b] = holding;
    let (first, second) = if a.0 == 0 { (a, b) } else { (b, a) };
    drop(first);
    // Nobody else waits for the second: what becomes free there is nobody's.
    drop(second);
    assert_eq!([bells[0].rings(), bells[1].rings()], [1, 0]);
    let looked = look_at(&mut queued, &bells[0], &Asked::default(), |index| index == 0);
    assert!(matches!(looked, Some(Ok((1, _)))), "{looked:?}");
    assert_eq!(bells[1].rings(), 1);
    assert!(look(&mut next, &bells[1]).is_some_and(|(index, _)| index == 0));
}

#[test]
fn who_waits_for_what_is_all_gone_is_told() {
    let route = route(&[1], 9);
    let bell = Arc::new(Bell::default());
    let _inside = route.try_enter().expect("there is room");
    let mut queued = route.join();
    assert!(look(&mut queued, &bell).is_none());
    let looked = look_at(&mut queued, &bell, &Asked::default(), |_| true);
    assert!(matches!(looked, Some(Err(false))), "{looked:?}");
}

#[test]
fn a_limit_that_is_raised_or_lifted_lets_in_as_many_as_fit() {
    let route = route(&[1], 9);
    let bell = Arc::new(Bell::default());
    let (_, _inside) = route.try_enter().expect("there is room");
    let mut waiting: Vec<_> = (0..4).map(|_| route.join()).collect();
    assert!(waiting.iter_mut().all(|queued| look(queued, &bell).is_none()));
    route.limit(&[3]);
    assert_eq!((bell.rings(), route.set.endpoints()[0].max_requests()), (2, Some(3)));
    route.limit(&[0]);
    assert_eq!((bell.rings(), route.set.endpoints()[0].max_requests()), (4, None));
}

#[test]
fn a_limit_counts_what_was_in_flight_before_it() {
    let route = route(&[0], 9);
    let bell = Arc::new(Bell::default());
    let mut earlier: Vec<_> = (0..3).map(|_| route.try_enter().expect("no limit")).collect();
    route.limit(&[2]);
    route.limit(&[2]);
    assert!(route.try_enter().is_err());
    let mut queued = route.join();
    assert!(look(&mut queued, &bell).is_none());
    earlier.pop();
    assert_eq!(bell.rings(), 0, "there are two");
    earlier.pop();
    assert_eq!(bell.rings(), 1);
    let inside = look(&mut queued, &bell).expect("it is its turn");
    drop((queued, earlier));
    let _another = route.try_enter().expect("there is room for one");
    assert!(route.try_enter().is_err());
    drop(inside);
    assert!(route.try_enter().is_ok());
}

#[test]
fn a_lower_limit_holds_once_enough_have_left() {
    let route = route(&[3], 9);
    let mut inside: Vec<_> = (0..3).map(|_| route.try_enter().expect("there is room")).collect();
    route.limit(&[1]);
    inside.pop();
    inside.pop();
    assert!(route.try_enter().is_err(), "one is in");
    inside.pop();
    assert!(route.try_enter().is_ok());
}

#[test]
fn a_gate_nobody_leaves_does_not_keep_the_lines_of_older_tables() {
    let registry = EndpointRegistry::new(1);
    let endpoint = registry.resolve(([192, 0, 2, 1], 1).into());
    registry.enforce(std::iter::once((endpoint.address(), Some(1))), None);
    let _inside = endpoint.try_lease(0).expect("there is room");
    let mut lines = Vec::new();
    for _ in 0..9 {
        let member = Member { endpoint: endpoint.clone(), weight: 1, near: true, since_ms: 0 };
        let set = EndpointSet::new(vec![member], Choosing::by(Balance::RoundRobin, 1));
        let set = set.with_line(registry.line(&"a.test".into(), 9));
        lines.push(Arc::downgrade(set.line()));
        let mut queued = Queued::join(&set, 0, None).expect("there is room in the line");
        assert!(look(&mut queued, &Arc::default()).is_none());
    }
    let kept = lines.iter().filter(|line| line.upgrade().is_some()).count();
    assert_eq!(kept, 1, "only the last");
}
