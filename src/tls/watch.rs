//! Noticing that a certificate, key or authority was replaced.
//!
//! Files of this kind are replaced by programs that know nothing of the router,
//! a pair in two steps and at any time. So the files of the settings in force
//! are looked at every few seconds, and a change asks for a reload of the
//! whole, which finds out whether what is there now is good. A pair caught
//! between the two steps is refused, and read again once it has settled.

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

type Stamps = BTreeMap<PathBuf, Stamp>;

fn stamps(settings: &Settings) -> Stamps {
    let files = settings.tls_files();
    files.into_iter().map(|file| (file.path.clone(), Stamp::of(&file.path))).collect()
}

/// Calls `changed` whenever a file of the settings in force is another than
/// before, for as long as it is polled.
pub(crate) async fn watch(shared: &Shared, changed: impl Fn()) {
    let look = async || {
        let settings = shared.snapshots.current().settings.clone();
        tokio::task::spawn_blocking(move || stamps(&settings)).await.unwrap_or_default()
    };
    let mut known = look().await;
    let mut looks = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let seen = look().await;
        looks += 1;
        if looks % LOOKS_A_WARNING == 0 {
            let settings = shared.snapshots.current().settings.clone();
            let look = move || complaints(&settings, SystemTime::now());
            for complaint in tokio::task::spawn_blocking(look).await.unwrap_or_default() {
                tracing::warn!("{complaint}");
            }
        }
        // A file that is new to the settings was read with them.
        let differs = seen.iter().any(|(path, stamp)| known.get(path).is_some_and(|k| k != stamp));
        known = seen;
        if differs {
            changed();
        }
    }
}
