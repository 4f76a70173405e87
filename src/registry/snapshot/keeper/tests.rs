//! What the thread writes when, step by step.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use super::*;
use crate::registry::snapshot::SnapshotState;
use crate::registry::snapshot::store::Found;

/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3_600);

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

/// A keeper whose turns are taken here, and the table's journal.
fn running(place: &Place) -> (Running, Arc<Journal>) {
    let (work, table) = place.work();
    of_table(work, table)
}

/// The same with another table than [`Table`].
fn of_table(work: Work, table: Arc<dyn Exported>) -> (Running, Arc<Journal>) {
    let journal = work.journal.clone();
    (Running::new(work, table, Instant::now()), journal)
}

/// Waits until the table that is being written is whole.
fn until_written(running: &Running) {
    while !running.rewrite.as_ref().expect("a table is being written").thread.is_finished() {
        std::thread::yield_now();
    }
}

/// One change more, and a turn.
fn change(running: &mut Running, journal: &Journal, name: &str) {
    journal.record(Source::Admin, [&route(name)]);
    running.turn(Instant::now());
}

/// The file takes no changes, and for now no new one is begun; gives what the
/// file is to be [put back](Live::put_back).
fn refuse_changes(running: &mut Running, place: &Place) -> File {
    running.retry_at = Instant::now() + NEVER;
    running.work.live.as_mut().expect("there is a file").replace_by_unwritable(&place.path)
}

/// A new file is written where one was lost, and goes on with what follows.
fn begins_anew(running: &mut Running, journal: &Journal, place: &Place) {
    running.retry_at = Instant::now();
    begin(running);
    change(running, journal, "after.test");
    assert_eq!(kept(&place.path), ["there.test", "meanwhile.test", "after.test"]);
}

fn state(running: &Running) -> SnapshotState {
    running.work.status.health(Instant::now()).state
}

/// Takes up the table that is being written.
fn adopt(running: &mut Running) {
    until_written(running);
    running.turn(Instant::now());
}

/// Has the keeper write its first file.
fn begin(running: &mut Running) {
    running.turn(Instant::now());
    adopt(running);
    assert!(running.work.live.is_some() && running.rewrite.is_none());
}

/// Beyond what is kept back, in pieces that the journal takes; a turn for each.
fn too_much(running: &mut Running, journal: &Journal) {
    let path = format!("/{}", "x".repeat(200)).parse().unwrap();
    let change = Change::RemoveRoute { host: "far.test".parse().unwrap(), path };
    let mut one = Vec::new();
    record::encode(Source::Admin, &change, &mut one);
    let few = (20 << 20) / one.len();
    for _ in 0..4 {
        journal.record(Source::Admin, std::iter::repeat_n(&change, few));
        running.turn(Instant::now());
    }
}

#[test]
fn what_changes_while_the_table_is_written_stands_behind_it() {
    let place = Place::new();
    let (mut running, journal) = running(&place);
    running.turn(Instant::now());
    until_written(&running);
    change(&mut running, &journal, "then.test");
    assert_eq!(kept(&place.path), ["there.test", "meanwhile.test", "then.test"]);
    change(&mut running, &journal, "after.test");
    assert_eq!(kept(&place.path)[2..], ["then.test", "after.test"]);
}

#[test]
fn a_file_that_was_put_in_its_place_is_not_appended_to_and_is_replaced() {
    let place = Place::new();
    let (mut running, journal) = running(&place);
    begin(&mut running);
    for replaced in [true, false] {
        let ours = std::fs::read(&place.path).unwrap();
        std::fs::remove_file(&place.path).unwrap();
        if replaced {
            std::fs::write(&place.path, &ours).unwrap();
        }
        (running.retry_at, running.due) = (Instant::now() + NEVER, false);
        change(&mut running, &journal, "lost.test");
        assert!(running.work.live.is_none() && running.due && running.backlog.is_empty());
        let there = std::fs::read(&place.path).ok();
        assert_eq!(there, replaced.then_some(ours), "what somebody put there is theirs");
        begins_anew(&mut running, &journal, &place);
    }
}

#[test]
fn what_cannot_be_appended_is_kept_back_and_written_later_in_its_order() {
    let place = Place::new();
    let (mut running, journal) = running(&place);
    begin(&mut running);
    let writable = refuse_changes(&mut running, &place);
    for name in ["one.test", "two.test"] {
        change(&mut running, &journal, name);
    }
    assert_eq!(state(&running), SnapshotState::Failing);
    assert_eq!(kept(&place.path)[1..], ["meanwhile.test"]);
    running.work.live.as_mut().unwrap().put_back(writable);
    running.turn(Instant::now());
    assert_eq!(kept(&place.path)[1..], ["meanwhile.test", "one.test", "two.test"]);
    assert!(running.backlog.is_empty());
    assert_eq!(state(&running), SnapshotState::Current);
}

#[test]
fn beyond_what_is_kept_back_the_file_stays_as_it_is_until_a_table_is_there() {
    let place = Place::new();
    let (mut running, journal) = running(&place);
    begin(&mut running);
    let before = std::fs::read(&place.path).unwrap();
    refuse_changes(&mut running, &place);
    too_much(&mut running, &journal);
    assert!(running.work.live.is_none() && running.due);
    assert!(running.backlog.is_empty(), "nothing is kept for a file with a gap");
    assert_eq!(std::fs::read(&place.path).unwrap(), before);
    begins_anew(&mut running, &journal, &place);
}

#[test]
fn a_table_is_tried_where_changes_cannot_be_appended_and_has_them() {
    let place = Place::new();
    let (mut running, journal) = running(&place);
    begin(&mut running);
    refuse_changes(&mut running, &place);
    running.retry_at = Instant::now();
    change(&mut running, &journal, "one.test");
    assert!(!running.backlog.is_empty());
    until_written(&running);
    journal.record(Source::Admin, [&route("two.test")]);
    // Nothing can be appended to the old file at this turn either.
    adopt(&mut running);
    // That of `one.test` came before the table, which has what it came to.
    assert_eq!(kept(&place.path), ["there.test", "meanwhile.test", "two.test"]);
    assert!(running.backlog.is_empty() && running.rewrite.is_none() && !running.due);
    assert_eq!(state(&running), SnapshotState::Current);
}

#[test]
fn tables_that_cannot_be_written_are_tried_at_growing_pauses_though_changes_find_room() {
    let place = Place::new();
    let (mut running, journal) = running(&place);
    begin(&mut running);
    std::fs::create_dir(place.path.with_file_name("routes.new")).unwrap();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        (running.due, running.retry_at) = (true, Instant::now());
        running.turn(Instant::now());
        until_written(&running);
        let now = Instant::now();
        running.turn(now);
        pauses.push((running.retry_at - now).as_secs());
        change(&mut running, &journal, "after.test");
        assert_eq!(state(&running), SnapshotState::Current);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
}

/// A table whose export ends when it is told to.
struct Held(Mutex<mpsc::Receiver<()>>);

impl Exported for Held {
    fn export(&self, each: &mut dyn FnMut(Source, &Change) -> io::Result<()>) -> io::Result<()> {
        // Nobody holds the second one up.
        let _ = self.0.lock().recv();
        each(Source::Admin, &route("there.test"))
    }
}

#[test]
fn a_table_that_is_written_more_slowly_than_it_changes_is_begun_anew() {
    let place = Place::new();
    let (end, held) = mpsc::channel();
    let (mut running, journal) = of_table(place.work().0, Arc::new(Held(Mutex::new(held))));
    running.turn(Instant::now());
    too_much(&mut running, &journal);
    assert!(running.rewrite.as_ref().is_some_and(|rewrite| rewrite.since.is_none()));
    drop(end);
    adopt(&mut running);
    assert!(!place.path.exists(), "it has not what changed meanwhile");
    assert_eq!(state(&running), SnapshotState::Failing);
    running.retry_at = Instant::now();
    begin(&mut running);
    assert_eq!(kept(&place.path), ["there.test"]);
}

#[test]
fn what_is_recorded_last_is_written_at_the_end() {
    let place = Place::new();
    let (work, table) = place.work();
    let journal = work.journal.clone();
    let held = Arc::downgrade(&table);
    let keeper = Keeper::start(work, table).unwrap();
    // From here on changes are appended.
    while !place.path.exists() {
        std::thread::yield_now();
    }
    journal.record(Source::Admin, [&route("last.test")]);
    keeper.finish();
    assert!(held.upgrade().is_none(), "its thread has ended");
    assert!(kept(&place.path).contains(&"last.test".to_owned()));
}

#[test]
fn a_keeper_that_is_dropped_has_its_thread_end() {
    let place = Place::new();
    let (work, table) = place.work();
    let held = Arc::downgrade(&table);
    drop(Keeper::start(work, table).unwrap());
    while held.upgrade().is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn the_keeper_rests_between_its_turns_and_stops_without_one() {
    let stop = Stop::default();
    let (begun, rest) = (Instant::now(), Duration::from_millis(20));
    assert!(!stop.after(rest));
    assert!(begun.elapsed() >= rest);
    stop.ask();
    assert!(stop.after(Duration::from_hours(24)));
}

#[test]
fn a_new_table_is_written_when_its_changes_have_become_much_longer() {
    let place = Place::new();
    let (mut running, _) = running(&place);
    begin(&mut running);
    let later = running.retry_at + PAUSES.0;
    let live = running.work.live.as_mut().unwrap();
    live.bytes = 2 * live.base_bytes + LEAST_CHANGES;
    running.turn(later);
    assert!(running.rewrite.is_none());
    running.work.live.as_mut().unwrap().bytes += 1;
    running.turn(running.retry_at - Duration::from_millis(1));
    assert!(running.rewrite.is_none(), "the last one was begun just now");
    running.turn(later);
    assert!(running.rewrite.is_some());
    until_written(&running);
}

#[test]
fn one_table_is_written_at_a_time() {
    let place = Place::new();
    let (end, held) = mpsc::channel();
    let (mut running, _) = of_table(place.work().0, Arc::new(Held(Mutex::new(held))));
    let writes = |running: &Running| running.rewrite.as_ref().unwrap().thread.thread().id();
    let now = running.retry_at;
    running.turn(now);
    let first = writes(&running);
    // However much another is needed, and long after.
    running.due = true;
    running.turn(now + PAUSES.1);
    assert_eq!(writes(&running), first);
    drop(end);
    until_written(&running);
}
