//! The configuration file as a source of routes: which version of it is in
//! force, and how that stands to what is there now.
//!
//! Versions are told apart by what the system says of the file and not by its
//! content. For that to be safe a version counts only once it has been still
//! for [`QUIET`], many times the grain of file times: a later change then has
//! a later time, whatever its length. It also keeps a half-written file from
//! being read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lifecycle::{SourceHealth, SourceState};
use crate::sync::Mutex;

/// How long a file must have been still before it is read.
const QUIET: Duration = Duration::from_millis(100);
/// Waits of [`QUIET`] before a file that keeps changing is read all the same.
const PATIENCE: usize = 20;

/// What tells one version of a file from another; `None` if there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<Version>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    bytes: u64,
    /// The change time, which, unlike the modification time, no program sets.
    changed_s: i64,
    changed_ns: i64,
}

impl Stamp {
    /// Looks at the file, or at what a symbolic link in its place leads to.
    pub(crate) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|file| Version {
            device: file.dev(),
            inode: file.ino(),
            bytes: file.size(),
            changed_s: file.ctime(),
            changed_ns: file.ctime_nsec(),
        }))
    }
}

/// The file, and what became of it.
#[derive(Debug)]
pub(crate) struct FileSource {
    path: PathBuf,
    status: Mutex<Status>,
}

#[derive(Debug)]
struct Status {
    /// The version read last, whether it was good or not.
    read: Stamp,
    /// Why that version is not in force, if it is not.
    refused: Option<String>,
    /// When what is in force was last found to be what the file says.
    confirmed: Instant,
}

impl FileSource {
    /// A file whose version `read` is in force since `now`.
    pub(crate) fn new(path: PathBuf, read: Stamp, now: Instant) -> Self {
        Self { path, status: Mutex::new(Status { read, refused: None, confirmed: now }) }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// `read` was read, and put in force or, with the reason, refused. The
    /// reason is shown to whoever asks for the router's health.
    pub(crate) fn was_read(&self, read: Stamp, refused: Option<String>, now: Instant) {
        let mut status = self.status.lock();
        status.read = read;
        if refused.is_none() {
            status.confirmed = now;
        }
        status.refused = refused;
    }

    /// Whether `seen` is another version than was read last.
    pub(crate) fn differs(&self, seen: Stamp, now: Instant) -> bool {
        let mut status = self.status.lock();
        let differs = status.read != seen;
        if !differs && status.refused.is_none() {
            status.confirmed = now;
        }
        differs
    }

    /// Why the version read last is not in force, if it is not.
    pub(crate) fn refused(&self) -> Option<String> {
        self.status.lock().refused.clone()
    }

    /// As the health report shows it.
    pub(crate) fn health(&self, now: Instant) -> SourceHealth {
        let status = self.status.lock();
        let age = now.saturating_duration_since(status.confirmed);
        SourceHealth {
            name: "file".into(),
            state: match status.refused {
                Some(_) => SourceState::Stale,
                None => SourceState::Current,
            },
            age_ms: Some(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            error: status.refused.clone(),
        }
    }

    /// The file's version once it has been still for a moment.
    pub(crate) async fn settled(self: &Arc<Self>) -> Stamp {
        let mut seen = self.look().await;
        for _ in 0..PATIENCE {
            tokio::time::sleep(QUIET).await;
            let now = self.look().await;
            if now == seen {
                break;
            }
            seen = now;
        }
        seen
    }

    /// Looks at the file on a thread that may block.
    pub(crate) async fn look(self: &Arc<Self>) -> Stamp {
        let file = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || Stamp::of(file.path()));
        looked.await.unwrap_or(Stamp(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn every_way_to_change_a_file_is_another_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        assert_eq!(Stamp::of(&path), Stamp(None));
        fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path);
        assert_eq!(first, Stamp::of(&path));
        let other = folder.path().join("new");
        fs::write(&other, "two").unwrap();
        fs::rename(&other, &path).unwrap();
        let replaced = Stamp::of(&path);
        assert_ne!(first, replaced);
        fs::write(&path, "longer").unwrap();
        assert_ne!(replaced, Stamp::of(&path));
    }

    #[test]
    fn a_link_is_the_file_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("one"), "same").unwrap();
        fs::write(at("two"), "same").unwrap();
        std::os::unix::fs::symlink("one", at("link")).unwrap();
        let before = Stamp::of(&at("link"));
        std::os::unix::fs::symlink("two", at("next")).unwrap();
        fs::rename(at("next"), at("link")).unwrap();
        assert_ne!(before, Stamp::of(&at("link")));
    }

    #[test]
    fn a_refused_version_is_stale_and_ages_until_a_good_one_comes() {
        let start = Instant::now();
        let (good, bad) = (Stamp(None), Stamp::of(Path::new("/")));
        let file = FileSource::new("p".into(), good, start);
        assert!(!file.differs(good, start + S));
        assert!(file.differs(bad, start + 2 * S));
        file.was_read(bad, Some("line 1: wrong".into()), start + 2 * S);
        assert!(!file.differs(bad, start + 3 * S), "it was read, and is not read again");
        let health = file.health(start + 4 * S);
        assert_eq!((health.state, health.age_ms), (SourceState::Stale, Some(3000)));
        assert_eq!(health.error.as_deref(), Some("line 1: wrong"));
        file.was_read(good, None, start + 5 * S);
        let health = file.health(start + 5 * S);
        assert_eq!((health.state, health.age_ms), (SourceState::Current, Some(0)));
        assert_eq!(health.error, None);
    }

    /// Writes the file so often, each time another, with half of [`QUIET`]
    /// between two.
    async fn keep_writing(path: PathBuf, times: usize) {
        for bytes in 1..=times {
            fs::write(&path, vec![b'x'; bytes]).unwrap();
            tokio::time::sleep(QUIET / 2).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_read_as_it_is_once_nobody_writes_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, "").unwrap();
        let file = Arc::new(FileSource::new(path.clone(), Stamp(None), Instant::now()));
        let writing = tokio::spawn(keep_writing(path.clone(), 7));
        let settled = file.settled().await;
        assert!(writing.is_finished(), "it was still being written");
        assert_eq!(settled, Stamp::of(&path));
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_always_being_written_is_read_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        fs::write(&path, "").unwrap();
        let file = Arc::new(FileSource::new(path.clone(), Stamp(None), Instant::now()));
        let writing = tokio::spawn(keep_writing(path, 10_000));
        let patience = QUIET * (PATIENCE as u32 + 1);
        assert!(tokio::time::timeout(patience, file.settled()).await.is_ok());
        assert!(!writing.is_finished());
        writing.abort();
    }
}
