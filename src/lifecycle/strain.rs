//! Whether something is under strain, without a word about every moment of it.
//!
//! A balancer that is told "no" takes its clients elsewhere, and brings them
//! back at the next "yes": what turns with every connection would send them to
//! and fro. So a strain shows when it has lasted a while, and is over when it
//! has been gone for a longer one. Pure: what is seen, and when, is passed in.

use std::time::{Duration, Instant};

/// How long a strain has to last before it shows.
pub(crate) const SHOWS_AFTER: Duration = Duration::from_millis(500);

/// How long it has to be gone.
pub(crate) const PASSES_AFTER: Duration = Duration::from_secs(1);

/// One strain, as it is looked at again and again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strain {
    shows: bool,
    /// Since when what is seen is another than what shows.
    differs_since: Option<Instant>,
}

impl Strain {
    /// Looks at `now`, when there is a strain or not; whether it shows.
    pub(crate) fn look(&mut self, strained: bool, now: Instant) -> bool {
        if strained == self.shows {
            self.differs_since = None;
            return self.shows;
        }
        let since = *self.differs_since.get_or_insert(now);
        let patience = if strained { SHOWS_AFTER } else { PASSES_AFTER };
        if now.saturating_duration_since(since) >= patience {
            self.shows = strained;
            self.differs_since = None;
        }
        self.shows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn it_shows_when_it_lasts_and_passes_when_it_stays_away() {
        let (mut strain, start) = (Strain::default(), Instant::now());
        let mut look = |strained, at_ms: u32| strain.look(strained, start + MS * at_ms);
        assert!(!look(true, 0) && !look(true, 499));
        assert!(!look(false, 500), "it was gone");
        assert!(!look(true, 600) && !look(true, 1_099));
        assert!(look(true, 1_100));
        assert!(look(false, 1_200) && look(false, 2_199));
        assert!(look(true, 2_200), "it was back");
        assert!(look(false, 2_300) && look(false, 3_299));
        assert!(!look(false, 3_300));
    }
}
