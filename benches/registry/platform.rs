//! A platform with many apps, and what its emitters say of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pointsman::registry::message::Message;
use pointsman::registry::{Change, Intake, LiveRoutes, Source, Subject};

/// What messages do not say themselves.
pub(crate) const TTL: Duration = Duration::from_secs(120);

/// Messages that are put in force together, as from the bus.
pub(crate) const BATCH: usize = 512;

pub(crate) fn host(number: usize) -> String {
    format!("app-{number:07}.apps.example.com")
}

pub(crate) fn address(number: usize, instance: usize) -> SocketAddr {
    let [_, a, b, c] = u32::try_from(number).unwrap().to_be_bytes();
    SocketAddr::from(([10, a, b, c], 8_000 + instance as u16))
}

/// What an emitter sends for one instance of an app.
pub(crate) fn message(number: usize, instance: usize) -> String {
    message_of(number, instance, address(number, instance), 0)
}

/// The same at another address, and as it was changed for the `turn`th time.
pub(crate) fn message_of(
    number: usize,
    instance: usize,
    address: SocketAddr,
    turn: usize,
) -> String {
    let (host, ip, port) = (host(number), address.ip(), address.port());
    format!(
        "{{\"host\":\"{ip}\",\"port\":{port},\"uris\":[\"{host}\"],\
         \"app\":\"{number:08x}-aaaa-4bbb-8ccc-000000000000\",\
         \"private_instance_id\":\"{number:08x}-1111-4222-8333-{instance:012x}\",\
         \"private_instance_index\":\"{instance}\",\
         \"stale_threshold_in_seconds\":120,\
         \"endpoint_updated_at_ns\":{},\
         \"tags\":{{\"organization\":\"acme\",\"process\":\"web\",\"space\":\"production\"}}}}",
        1_700_000_000_000_000_000_i64 + turn as i64
    )
}

/// A message as changes, for those that are made without the bus.
pub(crate) fn changes(message: &str) -> Vec<Change> {
    Message::parse(message.as_bytes()).unwrap().registrations(TTL).unwrap()
}

/// The bytes of texts that a message has kept, but for its host.
pub(crate) fn text_bytes(message: &str) -> usize {
    let texts = |change: &Change| match change {
        Change::Register(one) => {
            let texts = [&one.instance_id, &one.instance_index, &one.app];
            let tags = one.tags.iter().map(|(name, value)| name.len() + value.len());
            texts.into_iter().flatten().map(|text| text.len()).sum::<usize>() + tags.sum::<usize>()
        }
        _ => 0,
    };
    changes(message).iter().map(texts).sum()
}

/// Registers both instances of every app below `routes`, as from the bus; the
/// first `served` have their instances at `endpoints`.
pub(crate) fn register_all(
    live: &LiveRoutes,
    routes: usize,
    served: usize,
    endpoints: [SocketAddr; 2],
) {
    let mut intake = Intake::of(live.clone());
    for number in 0..routes {
        for (instance, own) in endpoints.into_iter().enumerate() {
            let at = if number < served { own } else { address(number, instance) };
            let said = message_of(number, instance, at, 0);
            intake.take(Subject::Register, said.as_bytes(), TTL, Instant::now());
        }
        if number % (BATCH / 2) == 0 {
            intake.flush(Instant::now());
        }
    }
    intake.flush(Instant::now());
    assert!(live.version() > 0, "nothing was registered");
}

/// Numbers below `routes` in an order no cache foresees.
pub(crate) fn scattered(routes: usize) -> impl FnMut() -> usize {
    let mut next = 0;
    move || {
        next = (next + 7_368_787) % routes;
        next
    }
}

/// One registration or its end, to be put in force by itself.
pub(crate) fn apply(live: &LiveRoutes, changes: Vec<Change>) {
    live.apply(Source::Nats, changes, Instant::now());
}
