//! NATS as a source of routes: endpoints register on a bus, and every router
//! on it hears all of them.
//!
//! One subscription, `PREFIX.*`, carries registering, unregistering and
//! greetings, so that they are taken in the order they were sent in; two
//! subscriptions would be two queues, and a late `register` could bring back
//! what has left.
//!
//! A bus that is down takes nothing away: what is known keeps being served,
//! and nothing of it expires, since silence then means nothing. It does so
//! from the start, too: a router comes up without its bus, on what it saved.

mod bus;
mod credentials;
mod greeting;
mod intake;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::NatsSettings;
use crate::registry::{LiveRoutes, Source};
use crate::router::Shared;

use bus::{Bus, Said};
use greeting::Greeting;
pub use intake::{Intake, Subject};
pub(crate) use status::NatsStatus;

/// Messages that are read before others have their turn.
const BATCH: usize = 512;
/// Between two looks at the connection, when nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two attempts to reach the bus: the first wait, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// Listens to the bus of these settings for as long as it is polled.
pub(crate) async fn attend(shared: Arc<Shared>, settings: NatsSettings, status: Arc<NatsStatus>) {
    let mut source = NatsSource::new(&shared, settings, status);
    let mut wait = RETRY.0;
    loop {
        match Bus::connect(&source.settings).await {
            Ok(bus) => {
                wait = RETRY.0;
                source.listen(bus).await;
            }
            Err(error) => source.lost(&error.to_string()),
        }
        // Jitter, so that a fleet does not come back as one.
        tokio::time::sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())).await;
        wait = (wait * 2).min(RETRY.1);
    }
}

struct NatsSource {
    shared: Arc<Shared>,
    live: LiveRoutes,
    settings: NatsSettings,
    status: Arc<NatsStatus>,
    intake: Intake,
    greeting: Greeting,
    /// Connections made, as far as they were attended to.
    connects_seen: u64,
    losses_logged: bool,
}

impl NatsSource {
    fn new(shared: &Arc<Shared>, settings: NatsSettings, status: Arc<NatsStatus>) -> Self {
        let live = LiveRoutes::of(shared);
        Self {
            shared: shared.clone(),
            intake: Intake::new(live.clone(), status.figures.clone()),
            live,
            settings,
            status,
            greeting: Greeting::new(&shared.node),
            connects_seen: 0,
            losses_logged: false,
        }
    }

    /// Attends to a bus until it is given up.
    async fn listen(&mut self, mut bus: Bus) {
        // Events come beside the messages and can be lost; a connection that
        // stands without one is believed at the second look.
        let mut unannounced = 0;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        let signals = bus.signals();
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                said = bus.next() => match said {
                    Some(said) => {
                        self.hear(&bus, said).await;
                        for _ in 1..BATCH {
                            let Some(said) = bus.waiting() else { break };
                            self.hear(&bus, said).await;
                        }
                        self.intake.flush(Instant::now());
                        self.status.heard(Instant::now());
                        tokio::task::yield_now().await;
                    }
                    None => break,
                },
                () = signals.changed() => {}
                _ = looks.tick() => unannounced += 1,
            }
            self.notice_losses(&mut bus);
            if let Some(why) = bus.refused() {
                self.connects_seen = 0;
                return self.lost(&why);
            }
            let connected = bus.is_connected();
            let connects = bus.connects();
            // Who is told apart by the server is told soon what it may not do.
            let settled = !bus.is_known_to_server() || unannounced > 1;
            let new = connects > self.connects_seen;
            let to_be_told = connected && (new || !self.status.is_connected());
            if to_be_told && (new && settled || unannounced > 4) {
                self.connects_seen = connects;
                self.connected(&bus).await;
            } else if !connected && self.status.is_connected() {
                self.lost("the connection is lost");
            }
            if !to_be_told {
                unannounced = 0;
            }
        }
        self.connects_seen = 0;
        if self.status.is_connected() {
            self.lost("the connection is lost");
        }
    }

    async fn hear(&mut self, bus: &Bus, said: Said) {
        let registry = &self.shared.snapshots.current().settings.registry;
        match said.subject {
            Some(Subject::Greet) => {
                self.status.figures.greeted();
                if let Some(reply) = said.reply {
                    let answer = self.greeting.text(registry, &bus.hosts(&self.shared));
                    bus.publish(reply, answer).await;
                }
            }
            Some(subject) => {
                self.intake.take(subject, &said.payload, registry.ttl, Instant::now());
            }
            // Another router's start, or what later emitters may say.
            None => {}
        }
    }

    /// The bus is there, or is there again: emitters are asked to say all
    /// they know, and have a whole time to live for it.
    async fn connected(&mut self, bus: &Bus) {
        let now = Instant::now();
        self.live.set_connected(Source::Nats, false, now);
        self.live.set_connected(Source::Nats, true, now);
        let registry = &self.shared.snapshots.current().settings.registry;
        let start = self.greeting.text(registry, &bus.hosts(&self.shared));
        bus.publish(format!("{}.start", self.settings.subject_prefix), start).await;
        // Not before: who sees it may register at once, and the subscription is
        // on its way only when what follows it has been sent.
        self.status.connected();
        tracing::info!(server = %bus.server(), "listening to NATS");
    }

    /// Says why once, and again when it is for another reason.
    fn lost(&mut self, why: &str) {
        self.live.set_connected(Source::Nats, false, Instant::now());
        if self.status.lost(why) {
            let servers = self.settings.masked_urls().collect::<Vec<_>>().join(", ");
            tracing::warn!(
                %servers,
                "NATS: {why}; what is registered stays and does not expire until it is back"
            );
        }
    }

    /// Messages that came faster than they were read are lost, and with them
    /// perhaps somebody's refresh: who was not listened to has not been
    /// silent, so everybody has a whole time to live again.
    fn notice_losses(&mut self, bus: &mut Bus) {
        let lost = bus.newly_lost();
        if lost == 0 {
            return;
        }
        self.status.figures.dropped_more(lost);
        if !std::mem::replace(&mut self.losses_logged, true) {
            tracing::warn!(
                queue = self.settings.queue,
                "messages of NATS were lost, as they came faster than they could be read; \
                 see registry.nats.queue"
            );
        }
        if self.status.is_connected() {
            let now = Instant::now();
            self.live.set_connected(Source::Nats, false, now);
            self.live.set_connected(Source::Nats, true, now);
        }
    }
}
