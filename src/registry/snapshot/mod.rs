//! The live routes in a local file, so that a restarted router serves at once.
//!
//! The file has the table as it once was and the changes since. It is read
//! before the first request is taken: every endpoint in it serves, and has the
//! whole of its time to live to be confirmed in. That a registration was
//! confirmed is not written, since nearly all traffic of a bus is that, and a
//! restart gives the time anew anyway. What left with a time stands there too,
//! as one more change that takes away what is not there: it is remembered from
//! the restart on for as long as if it had left just then.
//!
//! - `record`: a change as bytes
//! - `frame`: the file's bytes, and what damage does to them
//! - `store`: the file and what lies beside it
//! - `journal`: changes on their way to the file
//! - `keeper`: the thread that writes
//! - `kept`: a router's live routes, restored and kept
//! - `status`: how it does

mod frame;
mod journal;
mod keeper;
mod kept;
mod record;
mod status;
mod store;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::lifecycle::Tasks;

use super::{Change, Source};
use keeper::Work;
use store::{Found, Live, Store};

pub use frame::{Contents, Framer, Refusal, Tail, read};
pub use journal::Journal;
pub use keeper::Exported;
pub use record::{NoRecord, decode, encode};
pub use status::{SnapshotFigures, SnapshotHealth, SnapshotState};

pub(crate) use keeper::Keeper;
pub(crate) use kept::restore_into;
pub(crate) use status::Status;

/// A snapshot that was read, and is not written yet.
pub(crate) struct Restored {
    work: Work,
}

/// Reads the snapshot at `path` and gives its changes to `apply`, in order.
/// Whatever is wrong with the file is logged and remembered; nothing of it
/// stops the router.
fn restore(path: PathBuf, tasks: &Arc<Tasks>, apply: impl FnMut(Source, Change)) -> Restored {
    let store = Store::new(path);
    let status = Arc::new(Status::new(store.path()));
    // Without the lock it is read all the same: the router before this one may
    // still be draining.
    let lock = store.lock().unwrap_or_default();
    let owned = lock.is_some();
    let path = store.path().display().to_string();
    let mut live: Option<Live> = None;
    match store.read(apply) {
        Found::Nothing => {}
        Found::Usable(contents) => {
            status.restored(contents.changes);
            tracing::info!(path, changes = contents.changes, "routes restored from the snapshot");
            // Failing, a new one is written, which says what is wrong.
            live = if owned { store.resume(&contents).ok() } else { None };
        }
        Found::Partly(contents) => {
            status.restored(contents.changes);
            let why =
                format!("it is damaged at byte {}; what precedes that is used", contents.bytes);
            aside(&status, &path, &why, owned, || store.keep_aside());
        }
        Found::Refused(refusal) => {
            aside(&status, &path, &refusal.to_string(), owned, || store.set_aside());
        }
    }
    let (journal, tasks) = (Arc::default(), tasks.clone());
    Restored { work: Work { store, lock, live, journal, status, tasks } }
}

fn aside(
    status: &Status,
    path: &str,
    why: &str,
    owned: bool,
    put: impl FnOnce() -> io::Result<PathBuf>,
) {
    status.set_aside(why);
    if !owned {
        return tracing::warn!(path, why, "the snapshot is not used");
    }
    match put() {
        Ok(aside) => {
            tracing::warn!(path, why, aside = %aside.display(), "the snapshot is set aside");
        }
        Err(error) => tracing::error!(path, why, %error, "the snapshot cannot be set aside"),
    }
}

impl Restored {
    /// Where the table is to record its changes from now on.
    pub(crate) fn journal(&self) -> Arc<Journal> {
        self.work.journal.clone()
    }

    /// How the snapshot does.
    pub(crate) fn status(&self) -> Arc<Status> {
        self.work.status.clone()
    }

    /// Keeps the file up to date with `table`, until the keeper is finished.
    ///
    /// # Errors
    /// If the system has no thread to spare.
    pub(crate) fn keep(self, table: Arc<dyn Exported>) -> io::Result<Keeper> {
        Keeper::start(self.work, table)
    }
}
