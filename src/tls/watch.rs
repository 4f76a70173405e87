//! Noticing that a certificate, key or authority was replaced.
//!
//! Files of this kind are replaced by programs that know nothing of the router,
//! a pair in two steps and at any time. So the files of the settings in force
//! are looked at every few seconds, and a change asks for a reload of the
//! whole, which finds out whether what is there now is good. A pair caught
//! between the two steps is refused, and read again once it has settled.
//!
//! What a file was when it was read is noted just before it is, and kept with
//! the settings: a change before the first look at it would else be taken for
//! what was read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::Settings;
use crate::registry::Stamp;
use crate::router::Shared;
use crate::tls::complaints;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks between two warnings of what has run out: half a day.
const LOOKS_A_WARNING: u32 = 12 * 60 * 60 / 2;

/// What files were at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stamps(BTreeMap<PathBuf, Stamp>);

impl Stamps {
    /// Looks at every file that TLS of these settings is made of.
    pub(crate) fn of(settings: &Settings) -> Self {
        let mut stamps = BTreeMap::new();
        for file in settings.tls_files() {
            if !stamps.contains_key(&file.path) {
                stamps.insert(file.path.clone(), Stamp::of(&file.path));
            }
        }
        Self(stamps)
    }

    /// Whether a file is another than in `known`, or, where that has nothing of
    /// it, than when it was `read`.
    fn differ(&self, known: &Self, read: &Self) -> bool {
        let before = |path| known.0.get(path).or_else(|| read.0.get(path));
        self.0.iter().any(|(path, stamp)| before(path).is_some_and(|before| before != stamp))
    }
}

/// Calls `changed` whenever a file of the settings in force is another than
/// before, for as long as it is polled.
pub(crate) async fn watch(shared: &Shared, changed: impl Fn()) {
    let mut known = Stamps::default();
    let mut looks = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let (settings, read) = {
            let snapshot = shared.snapshots.current();
            (snapshot.settings.clone(), snapshot.tls_files().clone())
        };
        let look = move || Stamps::of(&settings);
        let seen = tokio::task::spawn_blocking(look).await.unwrap_or_default();
        looks += 1;
        if looks % LOOKS_A_WARNING == 0 {
            let settings = shared.snapshots.current().settings.clone();
            let look = move || complaints(&settings, SystemTime::now());
            for complaint in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
                tracing::warn!("{complaint}");
            }
        }
        let differs = seen.differ(&known, &read);
        known = seen;
        if differs {
            changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(files: &[(&str, &std::path::Path)]) -> Stamps {
        Stamps(files.iter().map(|(name, at)| (name.into(), Stamp::of(at))).collect())
    }

    #[test]
    fn a_file_is_told_from_the_last_look_or_else_from_when_it_was_read() {
        let (one, other) = (std::path::Path::new("/"), std::path::Path::new("/proc"));
        let none = Stamps::default();
        let (old, new) = (stamps(&[("a", one)]), stamps(&[("a", other)]));
        assert!(!old.differ(&none, &old), "as it was read");
        assert!(new.differ(&none, &old), "it changed before the first look");
        assert!(new.differ(&old, &old));
        // Refused, and seen before: not again at every look.
        assert!(!new.differ(&new, &old));
        assert!(!none.differ(&old, &old), "nobody names it any more");
    }
}
