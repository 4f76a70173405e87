//! The stages of a router's life, from serving to the cut.
//!
//! They only go forward. Whoever asks for a drain moves the phase; workers and
//! the health report watch it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::guard::{self, Guard};

/// How long a drain without its guard waits: a year.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Where in its life the router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serving.
    Running,
    /// Serving, while `/health` tells balancers to look away.
    LookAway,
    /// Taking no new connections; what is open ends by itself until then.
    Closing {
        /// When what is left is cut.
        cut_at: Instant,
    },
    /// Everything ends now.
    Cut,
}

impl Phase {
    /// Whether listeners stop.
    pub(crate) fn stops_accepting(&self) -> bool {
        matches!(self, Self::Closing { .. } | Self::Cut)
    }

    /// Whether a drain has begun.
    pub(crate) fn is_draining(&self) -> bool {
        *self != Self::Running
    }
}

/// The one who moves the phase.
#[derive(Debug)]
pub(crate) struct Drain {
    phase: watch::Sender<Phase>,
}

impl Drain {
    pub(crate) fn new() -> Self {
        Self { phase: watch::Sender::new(Phase::Running) }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Begins to drain; false if that had begun before.
    pub(crate) fn begin(&self) -> bool {
        self.advance(Phase::LookAway)
    }

    /// Goes through the stages of a drain that has begun: `delay` of serving
    /// on, then at most `patience` until the cut.
    pub(crate) async fn run(&self, delay: Duration, patience: Duration) {
        let mut phase = self.watch();
        let cut = phase.wait_for(|phase| *phase == Phase::Cut);
        if tokio::time::timeout(delay, cut).await.is_ok() {
            return;
        }
        let patience = if guard::is_on(Guard::DrainEnd) { patience } else { NEVER };
        let cut_at = Instant::now() + patience;
        self.advance(Phase::Closing { cut_at });
        let cut = phase.wait_for(|phase| *phase == Phase::Cut);
        if tokio::time::timeout_at(cut_at, cut).await.is_err() {
            self.cut();
        }
    }

    /// Ends everything now.
    pub(crate) fn cut(&self) {
        self.advance(Phase::Cut);
    }

    fn advance(&self, to: Phase) -> bool {
        self.phase.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_goes_through_its_stages_and_ends_in_the_cut() {
        let drain = Drain::new();
        let start = Instant::now();
        assert!(drain.begin());
        assert!(!drain.begin(), "it begins once");
        let seen = async {
            let mut phase = drain.watch();
            let closing = *phase.wait_for(Phase::stops_accepting).await.unwrap();
            assert_eq!(Instant::now() - start, Duration::from_secs(5));
            assert_eq!(closing, Phase::Closing { cut_at: start + Duration::from_secs(35) });
            phase.wait_for(|phase| *phase == Phase::Cut).await.unwrap();
            assert_eq!(Instant::now() - start, Duration::from_secs(35));
        };
        tokio::join!(drain.run(Duration::from_secs(5), Duration::from_secs(30)), seen);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_ends_the_waiting_and_nothing_goes_back() {
        let drain = Drain::new();
        drain.begin();
        drain.cut();
        drain.run(Duration::from_secs(5), Duration::from_secs(30)).await;
        assert_eq!(*drain.watch().borrow(), Phase::Cut);
    }
}
