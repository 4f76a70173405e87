//! Hot reload: when the file has changed, or on request, one at a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use crate::config::{self, Settings};
use crate::dns;
use crate::lifecycle::systemd;
use crate::registry::{FileSource, Stamp, Watch};
use crate::router::Shared;
use crate::telemetry::metrics::ReloadResult;

/// The file of a running router, and who puts it in force.
pub(crate) struct Reload {
    shared: Arc<Shared>,
    file: Arc<FileSource>,
    asked: Notify,
}

impl Reload {
    pub(crate) fn new(shared: Arc<Shared>, file: Arc<FileSource>) -> Self {
        Self { shared, file, asked: Notify::new() }
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Asks for a reload, whether the file has changed or not. Asking during
    /// one gives another.
    pub(crate) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Reloads when it is time, for as long as it is polled.
    pub(crate) async fn attend(self: Arc<Self>) {
        let watch = Watch::new(self.file.path());
        loop {
            // The first look comes at once: the watch began after the start
            // had read the file.
            let seen = self.file.look().await;
            if self.file.differs(seen, Instant::now()) {
                self.clone().reload().await;
            }
            tokio::select! {
                () = self.asked.notified() => self.clone().reload().await,
                () = watch.time_to_look() => {}
            }
        }
    }

    /// Reads the file and puts it in force, or changes nothing. The work is
    /// done on a thread of its own, since a long table takes its time and the
    /// control side has others to answer.
    async fn reload(self: Arc<Self>) {
        systemd::reloading();
        let seen = self.file.settled().await;
        let done = tokio::task::spawn_blocking(move || self.read(seen));
        if done.await.is_err() {
            tracing::error!("a reload ended in a panic; the old configuration stays");
        }
        systemd::ready();
    }

    fn read(&self, seen: Stamp) {
        let result = match config::load(self.file.path()) {
            Err(error) => Err(crate::cli::check::report(&error)),
            Ok(settings) => self.apply(settings),
        };
        self.file.was_read(seen, result.is_err(), Instant::now());
        self.shared.metrics.reloaded(ReloadResult::of(&result));
        let file = self.file.path().display();
        match result {
            Ok(()) => tracing::info!(%file, "reloaded"),
            Err(why) => tracing::error!("the new configuration is not used:\n{why}"),
        }
    }

    fn apply(&self, mut settings: Settings) -> Result<(), String> {
        let running = self.shared.snapshots.current();
        let kept = settings.keep_from_start(&running.settings);
        // This thread may wait; the runtime is another's.
        let asking = dns::first_answers(&self.shared, &settings);
        let _names = tokio::runtime::Handle::current().block_on(asking);
        self.shared.reload(settings).map_err(|error| error.to_string())?;
        let settings = &self.shared.snapshots.current().settings;
        if settings.limits.connections != running.settings.limits.connections {
            self.shared.tell_of_connections(settings);
        }
        for key in kept {
            tracing::warn!("{key} has changed and needs a restart; everything else is in force");
        }
        Ok(())
    }
}
