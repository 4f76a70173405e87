//! What the thread writes when, step by step.

use std::path::{Path, PathBuf};

use super::*;
use crate::registry::snapshot::store::Found;

fn route(name: &str) -> Change {
    Change::RemoveRoute { host: name.parse().unwrap(), path: "/".parse().unwrap() }
}

/// A table with one route, during whose export another comes.
struct Table(Arc<Journal>);

impl Exported for Table {
    fn export(&self, each: &mut dyn FnMut(Source, &Change) -> io::Result<()>) -> io::Result<()> {
        each(Source::Admin, &route("there.test"))?;
        self.0.record(Source::Admin, [&route("meanwhile.test")]);
        Ok(())
    }
}

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes");
        Self { _folder: folder, path }
    }

    fn work(&self) -> (Work, Arc<Table>) {
        let store = Store::new(self.path.clone());
        let status = Arc::new(Status::new(&self.path));
        let journal = Arc::<Journal>::default();
        let table = Arc::new(Table(journal.clone()));
        let lock = store.lock().unwrap();
        (Work { store, lock, live: None, journal, status, tasks: Arc::default() }, table)
    }
}

fn kept(path: &Path) -> Vec<String> {
    let mut hosts = Vec::new();
    let each = |_, change| match change {
        Change::RemoveRoute { host, .. } => hosts.push(host.to_string()),
        other => panic!("{other:?}"),
    };
    match Store::new(path.into()).read(each) {
        Found::Usable(_) => hosts,
        _ => panic!("no snapshot"),
    }
}

#[test]
fn what_changes_while_the_table_is_written_stands_behind_it() {
    let place = Place::new();
    let (work, table) = place.work();
    let journal = work.journal.clone();
    let (rewrite, retry_at, pause) = (None, Instant::now(), PAUSES.0);
    let mut running =
        Running { work, table, backlog: Vec::new(), rewrite, due: true, retry_at, pause };
    running.turn(Instant::now());
    while !running.rewrite.as_ref().unwrap().thread.is_finished() {
        std::thread::yield_now();
    }
    journal.record(Source::Admin, [&route("then.test")]);
    running.turn(Instant::now());
    assert_eq!(kept(&place.path), ["there.test", "meanwhile.test", "then.test"]);
    journal.record(Source::Admin, [&route("after.test")]);
    running.turn(Instant::now());
    assert_eq!(kept(&place.path)[2..], ["then.test", "after.test"]);
}

#[test]
fn what_is_recorded_last_is_written_at_the_end() {
    let place = Place::new();
    let (work, table) = place.work();
    let journal = work.journal.clone();
    let keeper = Keeper::start(work, table).unwrap();
    // From here on changes are appended.
    while !place.path.exists() {
        std::thread::yield_now();
    }
    journal.record(Source::Admin, [&route("last.test")]);
    keeper.finish();
    assert!(kept(&place.path).contains(&"last.test".to_owned()));
}
