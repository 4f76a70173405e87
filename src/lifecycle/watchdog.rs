//! Noticing workers that no longer turn, and saying so: to the log, and by
//! silence to systemd, which then starts the process anew.
//!
//! It runs on the control side, which no worker can block.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::lifecycle::health::{LIVE_LIMIT, READY_LIMIT};
use crate::lifecycle::{Health, systemd};
use crate::router::Shared;

/// Between two looks at the workers.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which workers are known to be stuck.
#[derive(Debug, Default)]
struct Watchdog {
    stuck: Vec<usize>,
}

/// News of a worker.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It has not turned for so long.
    Stuck(usize, Duration),
    /// It turns again.
    Again(usize),
}

impl Watchdog {
    /// What is new, given how long ago each worker turned.
    fn look(&mut self, heartbeat_ages: &[Duration]) -> Vec<Turn> {
        let mut news = Vec::new();
        for (worker, age) in heartbeat_ages.iter().enumerate() {
            let known = self.stuck.contains(&worker);
            match *age > READY_LIMIT {
                true if !known => {
                    self.stuck.push(worker);
                    news.push(Turn::Stuck(worker, *age));
                }
                false if known => {
                    self.stuck.retain(|stuck| *stuck != worker);
                    news.push(Turn::Again(worker));
                }
                _ => {}
            }
        }
        news
    }
}

/// Reports stuck workers as long as the router runs.
pub(super) async fn watch(shared: &Shared) {
    let mut watchdog = Watchdog::default();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        for turn in watchdog.look(&shared.health.inputs().heartbeat_ages) {
            match turn {
                Turn::Stuck(worker, age) => {
                    tracing::error!(worker, ?age, "a worker is stuck: its requests stand still");
                }
                Turn::Again(worker) => tracing::warn!(worker, "a stuck worker turns again"),
            }
        }
    }
}

/// Tells systemd that the router is alive, as long as its workers turn. Ends
/// at once if systemd did not ask.
pub(super) async fn reassure_systemd(health: &Health) {
    let Some(every) = systemd::alive_every() else { return };
    reassure(every, || health.inputs().live().healthy, systemd::alive).await;
}

async fn reassure(every: Duration, lives: impl Fn() -> bool, tell: impl Fn()) {
    // As often as half of a beat's limit at least, so that one missed look is
    // no missed deadline.
    let mut ticks = tokio::time::interval(every.min(LIVE_LIMIT / 2));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if lives() {
            tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn systemd_hears_nothing_while_a_worker_is_stuck() {
        let (lives, told) = (Cell::new(true), Cell::new(0));
        let every = Duration::from_secs(1);
        let reassuring = reassure(every, || lives.get(), || told.set(told.get() + 1));
        let watching = async {
            tokio::time::sleep(every * 5 / 2).await;
            assert_eq!(told.replace(0), 3, "at once, and every second");
            lives.set(false);
            tokio::time::sleep(every * 10).await;
            assert_eq!(told.get(), 0, "so that it restarts the router");
            lives.set(true);
            tokio::time::sleep(every).await;
            assert_eq!(told.get(), 1);
        };
        tokio::select! {
            () = reassuring => unreachable!("it has no end"),
            () = watching => {}
        }
    }

    #[test]
    fn a_stuck_worker_is_reported_once_and_so_is_its_return() {
        let fine = Duration::from_millis(200);
        let late = READY_LIMIT + fine;
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.look(&[fine, READY_LIMIT]), []);
        assert_eq!(watchdog.look(&[fine, late]), [Turn::Stuck(1, late)]);
        assert_eq!(watchdog.look(&[late, 2 * late]), [Turn::Stuck(0, late)]);
        assert_eq!(watchdog.look(&[fine, 3 * late]), [Turn::Again(0)]);
        assert_eq!(watchdog.look(&[fine, fine]), [Turn::Again(1)]);
    }
}
