//! A router's live routes, restored from a snapshot and kept in it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::lifecycle::Tasks;
use crate::registry::{Change, LiveRoutes, Source};

use super::{Exported, Restored, restore};

/// Changes made at a time, so that not all of them are in memory twice.
const PIECE: usize = 4_096;

/// Takes up what the snapshot at `path` has, and has what changes from then on
/// recorded.
pub(crate) fn restore_into(live: &LiveRoutes, path: PathBuf, tasks: &Arc<Tasks>) -> Restored {
    let mut piece = Piece { live, source: Source::Admin, changes: Vec::new() };
    let restored = restore(path, tasks, |source, change| piece.add(source, change));
    piece.make();
    live.restored();
    let journal = restored.journal();
    live.journal(move |source, changes, _| journal.record(source, changes));
    restored
}

struct Piece<'a> {
    live: &'a LiveRoutes,
    source: Source,
    changes: Vec<Change>,
}

impl Piece<'_> {
    fn add(&mut self, source: Source, change: Change) {
        if source != self.source || self.changes.len() >= PIECE {
            self.make();
            self.source = source;
        }
        self.changes.push(change);
    }

    fn make(&mut self) {
        self.live.restore(self.source, &self.changes, Instant::now());
        self.changes.clear();
    }
}

impl Exported for LiveRoutes {
    fn export(&self, each: &mut dyn FnMut(Source, &Change) -> io::Result<()>) -> io::Result<()> {
        // Before what is there: what came back after it had left is to stay.
        self.each_left(|source, change| each(source, change))?;
        for source in Source::ALL.into_iter().filter(|source| *source != Source::File) {
            for registration in LiveRoutes::export(self, source) {
                each(source, &Change::Register(registration))?;
            }
        }
        Ok(())
    }
}
