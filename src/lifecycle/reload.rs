//! Hot reload: when the file has changed, or on request, one at a time.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::config::{self, Settings};
use crate::dns;
use crate::lifecycle::{Phase, systemd};
use crate::listen::try_address;
use crate::registry::{FileSource, Stamp};
use crate::router::Shared;
use crate::telemetry::metrics::ReloadResult;

/// The file of a running router, and who puts it in force.
pub(crate) struct Reload {
    shared: Arc<Shared>,
    file: Arc<FileSource>,
    phase: watch::Receiver<Phase>,
    /// Whether the addresses are for the router to bind, and not bound for it by
    /// a service manager.
    binds: bool,
    asked: Notify,
}

/// Whether a refusal is worth a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Always,
    /// Not if it is the one that was said last.
    IfNew,
}

impl Said {
    /// Whether what became of a version is known: it was `refused` for what it
    /// had been refused for `before`.
    fn is_said_already(self, refused: Option<&str>, before: Option<&str>) -> bool {
        self == Self::IfNew && refused.is_some() && refused == before
    }
}

/// Why nothing is reloaded that comes during a drain: what ends serves on with
/// what it has, and its listeners may be closed already.
const DRAINING: &str = "the router is draining, and ends with the configuration it has";

/// Between two looks at the file. Asking the system to tell of changes would
/// not do without: some file systems (NFS) and changes (of a directory higher
/// up) tell nothing. And on Linux the end of a process that has asked waits for
/// a worker of the kernel, which on a machine without time to spare was seen
/// to take a minute.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Between two tries of a version that was refused: what was wrong need not
/// stand in it. A certificate it names may come after it, and what the system
/// could not spare be there again.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// A try takes at most one part in so many of the time.
const TRY_SHARE: u32 = 20;

impl Reload {
    /// Reloads until `phase` says that the router ends; `binds` if its addresses
    /// are its own to bind.
    pub(crate) fn new(
        shared: Arc<Shared>,
        file: Arc<FileSource>,
        phase: watch::Receiver<Phase>,
        binds: bool,
    ) -> Self {
        Self { shared, file, phase, binds, asked: Notify::new() }
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
        let mut try_at = Instant::now();
        loop {
            let seen = self.file.look().await;
            let begun = Instant::now();
            if self.file.differs(seen, begun) {
                self.clone().reload().await;
                try_at = next_try(begun);
            } else if begun >= try_at && self.file.refused().is_some() && !self.drains() {
                self.clone().read_aside(seen, Said::IfNew).await;
                try_at = next_try(begun);
            }
            tokio::select! {
                () = self.asked.notified() => self.clone().reload().await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Reads the file and puts it in force, or changes nothing. The work is
    /// done on a thread of its own, since a long table takes its time and the
    /// control side has others to answer.
    async fn reload(self: Arc<Self>) {
        if !self.drains() {
            systemd::reloading();
        }
        let seen = self.file.settled().await;
        if self.drains() {
            self.refuse(seen);
            return;
        }
        self.clone().read_aside(seen, Said::Always).await;
        // To one that stops there is no way back.
        if !self.drains() {
            systemd::ready();
        }
    }

    /// Reads the file on a thread that may block.
    async fn read_aside(self: Arc<Self>, seen: Stamp, said: Said) {
        let done = tokio::task::spawn_blocking(move || self.read(seen, said));
        if done.await.is_err() {
            tracing::error!("a reload ended in a panic; the old configuration stays");
        }
    }

    fn drains(&self) -> bool {
        self.phase.borrow().is_draining()
    }

    /// Says that this version does not come into force any more.
    fn refuse(&self, seen: Stamp) {
        let now = Instant::now();
        if self.file.differs(seen, now) {
            self.file.was_read(seen, Some(DRAINING.into()), now);
        }
        tracing::warn!(file = %self.file.path().display(), "not reloaded: {DRAINING}");
    }

    fn read(&self, seen: Stamp, said: Said) {
        let result = match config::load(self.file.path()) {
            Err(error) => Err((crate::cli::check::report(&error), error.in_short())),
            // It tells of what the settings hold, which may be quoted.
            Ok(settings) => self
                .apply(settings)
                .map_err(|why| (why, "refused as a whole; the log says why".to_owned())),
        };
        let refused = result.as_ref().err().map(|(_, in_short)| in_short.clone());
        if said.is_said_already(refused.as_deref(), self.file.refused().as_deref()) {
            return;
        }
        self.file.was_read(seen, refused, Instant::now());
        self.shared.metrics.reloaded(ReloadResult::of(&result));
        let file = self.file.path().display();
        match result {
            Ok(()) => tracing::info!(%file, "reloaded"),
            Err((why, _)) => tracing::error!("the new configuration is not used:\n{why}"),
        }
    }

    fn apply(&self, mut settings: Settings) -> Result<(), String> {
        let running = self.shared.snapshots.current();
        if self.binds {
            for address in new_addresses(&settings, &running.settings) {
                try_address(address).map_err(|error| error.to_string())?;
            }
        }
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

/// Where the router would listen after a restart and does not yet: a file that
/// it could not start with is refused now, not then. A port that is its own on
/// another address is left out, since that is free once it has ended.
fn new_addresses(new: &Settings, running: &Settings) -> Vec<SocketAddr> {
    let addresses = |settings: &Settings| {
        let listeners = settings.listeners.iter().map(|listener| listener.address);
        listeners.chain([settings.admin.address]).collect::<Vec<_>>()
    };
    let ours = addresses(running);
    let is_ours = |address: &SocketAddr| ours.iter().any(|own| own.port() == address.port());
    addresses(new).into_iter().filter(|address| !is_ours(address)).collect()
}

/// When to try again what was tried since `begun`.
fn next_try(begun: Instant) -> Instant {
    let now = Instant::now();
    now + TRY_EVERY.max(now.saturating_duration_since(begun) * TRY_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_try_has_a_word_only_for_what_is_new() {
        for (said, refused, already) in [
            (Said::IfNew, Some("no such file"), true),
            (Said::IfNew, Some("line 2: wrong"), false),
            (Said::IfNew, None, false),
            (Said::Always, Some("no such file"), false),
        ] {
            assert_eq!(said.is_said_already(refused, Some("no such file")), already, "{refused:?}");
        }
    }

    #[test]
    fn an_address_is_new_if_its_port_is_nobodys_here() {
        let parse = |text: &str| config::parse(text, "p").unwrap();
        let running =
            parse("admin.address = \"127.0.0.1:9\"\n[[listener]]\naddress = \"127.0.0.1:1\"\n");
        let new = parse(
            "admin.address = \"127.0.0.1:8\"\n[[listener]]\naddress = \"0.0.0.0:1\"\n\
             [[listener]]\naddress = \"127.0.0.1:9\"\n[[listener]]\naddress = \"[::1]:2\"\n",
        );
        let addresses = ["[::1]:2", "127.0.0.1:8"].map(|address| address.parse().unwrap());
        assert_eq!(new_addresses(&new, &running), addresses);
        assert!(new_addresses(&running, &running).is_empty());
    }

    #[test]
    fn trying_takes_a_small_part_of_the_time() {
        let now = Instant::now();
        assert!(next_try(now) >= now + TRY_EVERY);
        let Some(begun) = now.checked_sub(Duration::from_secs(3)) else { return };
        assert!(next_try(begun) >= now + Duration::from_secs(60));
    }
}
