//! The thread that keeps the file.
//!
//! A few times a second it appends what has changed. Once the changes are as
//! long as the table they follow, it writes a new table: on a thread of its
//! own, since that takes seconds with a million routes, while the old file
//! still takes the changes; they then follow the new table as well. A change
//! that is both in the new table and behind it does no harm: applied again, it
//! leaves each endpoint as its last change left it.
//!
//! Nothing here can stop the router. What fails is said once, shown in health
//! and figures, and tried again.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::lifecycle::{TaskKind, Tasks};
use crate::registry::{Change, Source};

use super::frame::MAX_PAYLOAD;
use super::journal::Journal;
use super::record;
use super::status::Status;
use super::store::{Live, Store};

/// How often changes are written: with the time to write them, well within
/// the second that a kill may cost.
const PERIOD: Duration = Duration::from_millis(200);
const _: () = assert!(PERIOD.as_millis() * 4 <= 1_000);
/// After a table could not be written, the first pause and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Bytes of changes that are appended whatever the length of the table.
const LEAST_CHANGES: u64 = 4 << 20;
/// Bytes kept back at most: changes that could not be appended, or that are
/// to follow a table being written. They go into one frame, behind its kind.
const MAX_KEPT: usize = MAX_PAYLOAD - 1;
/// At the end, how long a table being written is waited for, if no file takes
/// the changes.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// The table as the keeper sees it.
pub trait Exported: Send + Sync + 'static {
    /// Gives the changes that lead to what is in force and did not come from the
    /// file, and to what is remembered of endpoints that left. What changes
    /// meanwhile may or may not be among them, as long as it is
    /// [recorded](Journal::record) too.
    ///
    /// # Errors
    /// The first one of `each`, with which it ends.
    fn export(&self, each: &mut dyn FnMut(Source, &Change) -> io::Result<()>) -> io::Result<()>;
}

/// The keeper of a running router; dropping it stops it without a last write.
pub(crate) struct Keeper {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    asked: Mutex<bool>,
    changed: Condvar,
}

/// What the thread works with.
pub(super) struct Work {
    pub(super) store: Store,
    pub(super) lock: Option<File>,
    pub(super) live: Option<Live>,
    pub(super) journal: Arc<Journal>,
    pub(super) status: Arc<Status>,
    pub(super) tasks: Arc<Tasks>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread to spare.
    pub(super) fn start(work: Work, table: Arc<dyn Exported>) -> io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let (stopped, tasks) = (stop.clone(), work.tasks.clone());
        let mut running = Running::new(work, table, Instant::now());
        let run = move || {
            while !stopped.after(PERIOD) {
                running.turn(Instant::now());
            }
            running.end(Instant::now());
        };
        let thread = tasks.spawn_thread(TaskKind::Snapshot, "snapshot".into(), run)?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Writes what has changed until now, and ends.
    pub(crate) fn finish(mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed, and costs at most a second of changes.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Stop {
    fn ask(&self) {
        *self.asked.lock() = true;
        self.changed.notify_all();
    }

    /// Whether to stop, known after `period` at the latest.
    fn after(&self, period: Duration) -> bool {
        let mut asked = self.asked.lock();
        if !*asked {
            let _ = self.changed.wait_for(&mut asked, period);
        }
        *asked
    }
}

struct Running {
    work: Work,
    table: Arc<dyn Exported>,
    /// Changes that could not be appended yet.
    backlog: Vec<u8>,
    rewrite: Option<Rewrite>,
    /// Whether a new table is needed.
    due: bool,
    retry_at: Instant,
    pause: Duration,
}

/// A table being written.
struct Rewrite {
    thread: JoinHandle<io::Result<Live>>,
    /// What has changed since it was begun; `None` if that was too much.
    since: Option<Vec<u8>>,
}

impl Running {
    fn new(work: Work, table: Arc<dyn Exported>, now: Instant) -> Self {
        Self {
            // A file that can be gone on with needs no new one.
            due: work.live.is_none(),
            work,
            table,
            backlog: Vec::new(),
            rewrite: None,
            retry_at: now,
            pause: PAUSES.0,
        }
    }

    /// What is done every so often.
    fn turn(&mut self, now: Instant) {
        let outcome = match self.may_write() {
            Ok(true) => self.write(now),
            Ok(false) => {
                // What the other process does not know is in the table.
                drop(self.work.journal.take());
                return self.work.status.elsewhere();
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                if let Some(live) = &self.work.live {
                    self.work.status.current(now, live.bytes);
                }
            }
            Err(error) => self.work.status.failed(self.work.store.path(), &error),
        }
    }

    /// The next table waits, and the one after it longer.
    fn later(&mut self, now: Instant) {
        self.retry_at = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }

    /// Whether this process is the one that writes.
    fn may_write(&mut self) -> io::Result<bool> {
        if self.work.lock.is_none() {
            self.work.lock = self.work.store.lock()?;
            // Whatever lies there now is another's.
            self.work.live = None;
            self.due = true;
        }
        Ok(self.work.lock.is_some())
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        let mut written = self.append();
        if self.rewrite.as_ref().is_some_and(|rewrite| rewrite.thread.is_finished()) {
            // It has what could not be appended, too.
            written = self.adopt();
            match written {
                Ok(()) => self.pause = PAUSES.0,
                Err(_) => self.later(now),
            }
        }
        let long = |live: &Live| live.bytes - live.base_bytes > live.base_bytes + LEAST_CHANGES;
        // Where changes find no room, there may be some for what they come to: a
        // route that came and went a thousand times is no route in a table.
        self.due |= written.is_err() || self.work.live.as_ref().is_some_and(long);
        if self.due && self.rewrite.is_none() && now >= self.retry_at {
            if let Err(error) = self.begin() {
                self.later(now);
                return Err(error);
            }
            // Whoever keeps taking the file away does not keep a core busy.
            self.retry_at = now + PAUSES.0;
        }
        written
    }

    /// Appends what has changed to the live file, and notes it for the next.
    fn append(&mut self) -> io::Result<()> {
        let taken = self.work.journal.take();
        if let Some(rewrite) = &mut self.rewrite {
            rewrite.note(&taken.records, taken.incomplete);
        }
        if taken.incomplete || self.backlog.len() + taken.records.len() > MAX_KEPT {
            // A file with a gap would bring back what is gone; it stays as it is.
            (self.work.live, self.due) = (None, true);
            self.backlog = Vec::new();
        }
        if let Some(live) = &self.work.live
            && !self.work.store.has(live)
        {
            self.work.status.lost();
            (self.work.live, self.due) = (None, true);
            self.backlog = Vec::new();
        }
        let Some(live) = &mut self.work.live else { return Ok(()) };
        self.backlog.extend_from_slice(&taken.records);
        if self.backlog.is_empty() {
            return Ok(());
        }
        live.append(&self.backlog)?;
        self.backlog = Vec::new();
        let synced = live.sync();
        if synced.is_err() {
            // Nobody knows what the disk has now.
            (self.work.live, self.due) = (None, true);
        }
        synced
    }

    fn begin(&mut self) -> io::Result<()> {
        let (store, table) = (self.work.store.clone(), self.table.clone());
        let write = move || {
            let written = write_table(&store, &*table);
            if written.is_err() {
                store.give_up();
            }
            written
        };
        let kind = TaskKind::Snapshot;
        let thread = self.work.tasks.spawn_thread(kind, "snapshot-table".into(), write)?;
        self.rewrite = Some(Rewrite { thread, since: Some(Vec::new()) });
        self.due = false;
        Ok(())
    }

    /// Puts the table that was written in force, with what followed it.
    fn adopt(&mut self) -> io::Result<()> {
        let Some(rewrite) = self.rewrite.take() else { return Ok(()) };
        self.due = true;
        let panicked = |_| io::Error::other("the thread that writes the table panicked");
        let mut live = rewrite.thread.join().map_err(panicked).flatten()?;
        let Some(since) = rewrite.since else {
            return Err(io::Error::other("the table changed faster than it could be written"));
        };
        let put = if since.is_empty() { Ok(()) } else { live.append(&since) };
        put.and_then(|()| self.work.store.replace(&live)).inspect_err(|_| {
            self.work.store.give_up();
        })?;
        // Among `since`, too.
        self.backlog = Vec::new();
        self.work.live = Some(live);
        self.due = false;
        Ok(())
    }

    /// The last write.
    fn end(mut self, now: Instant) {
        if !matches!(self.may_write(), Ok(true)) {
            return;
        }
        let until = now + LAST_PATIENCE;
        loop {
            self.turn(Instant::now());
            let settled = self.work.live.is_some() && self.backlog.is_empty();
            if settled || Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Rewrite {
    fn note(&mut self, records: &[u8], incomplete: bool) {
        let Some(since) = &mut self.since else { return };
        if incomplete || since.len() + records.len() > MAX_KEPT {
            self.since = None;
        } else {
            since.extend_from_slice(records);
        }
    }
}

fn write_table(store: &Store, table: &dyn Exported) -> io::Result<Live> {
    let mut base = store.begin()?;
    table.export(&mut |source, change| base.add(|out| record::encode(source, change, out)))?;
    base.end()
}

#[cfg(test)]
mod tests;
