//! Noticing that a file may have changed: the one module that knows `notify`.
//!
//! The file's directory is watched and not the file, since most changes put
//! another file in its place: editors and deployments rename a new one over
//! it, and Kubernetes swaps a symbolic link beside it. Events only say "look":
//! what has changed is for the one who looks. So it does no harm that other
//! files of the directory wake it too, or that one event stands for many.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

/// Between two looks without an event: some file systems (NFS) and changes
/// (of a directory higher up) send none.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Tells when it is time to look at a file.
pub(crate) struct Watch {
    events: Arc<Notify>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches from now on. Without help from the system there are still the
    /// looks every 5 s.
    pub(crate) fn new(path: &Path) -> Self {
        let events = Arc::new(Notify::new());
        let watcher = watcher(path, Arc::clone(&events))
            .inspect_err(|error| {
                let path = path.display();
                tracing::warn!(%error, %path, "no file events; looking every 5 s instead");
            })
            .ok();
        Self { events, _watcher: watcher }
    }

    /// Waits until it is time to look. What happened since the last wait
    /// counts, so nothing is missed between two.
    pub(crate) async fn time_to_look(&self) {
        let _ = tokio::time::timeout(LOOK_EVERY, self.events.notified()).await;
    }
}

fn watcher(path: &Path, events: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the file is an event as well, and one that would never end.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            events.notify_one();
        }
    })?;
    watcher.watch(directory, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
