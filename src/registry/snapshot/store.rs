//! The file and what lies beside it.
//!
//! | name | what it is |
//! |---|---|
//! | `PATH` | the snapshot: replaced whole by renaming, else only appended to |
//! | `PATH.new` | the next one while it is written |
//! | `PATH.lock` | locked by the process that writes; empty |
//! | `PATH.aside` | the last file that could not be used, for whoever wonders |

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::registry::{Change, Source};

use super::frame::{self, Contents, Framer, Refusal, Tail};

/// Where a snapshot lies.
#[derive(Clone, Debug)]
pub(super) struct Store {
    path: PathBuf,
}

/// A snapshot that is appended to.
#[derive(Debug)]
pub(super) struct Live {
    file: File,
    framer: Framer,
    /// Bytes that count.
    pub(super) bytes: u64,
    /// Bytes of the table it begins with.
    pub(super) base_bytes: u64,
}

/// What was found where the snapshot should be.
pub(super) enum Found {
    Nothing,
    /// All of it, or all up to a torn end.
    Usable(Contents),
    /// Its first part; the rest makes no sense.
    Partly(Contents),
    Refused(Refusal),
}

impl Store {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(suffix);
        name.into()
    }

    /// The right to write, for as long as the file is open: one process has
    /// it. `None` if another does.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let mut options = at_once();
        let file = options.create(true).truncate(false).write(true).open(self.beside(".lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Gives every change of the snapshot to `each`. A file that is refused
    /// gives none.
    pub(super) fn read(&self, each: impl FnMut(Source, Change)) -> Found {
        match self.try_read(each) {
            Ok(contents) if contents.tail == Tail::Damaged => Found::Partly(contents),
            Ok(contents) => Found::Usable(contents),
            Err(Refusal::Io(error)) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
            Err(refusal) => Found::Refused(refusal),
        }
    }

    fn try_read(&self, each: impl FnMut(Source, Change)) -> Result<Contents, Refusal> {
        let mut file = at_once().read(true).open(&self.path)?;
        if !file.metadata()?.is_file() {
            return Err(Refusal::NoFile);
        }
        // Refused or not is known at the end, so what counts is read twice.
        frame::read(BufReader::with_capacity(1 << 20, &file), |_, _| {})?;
        file.seek(SeekFrom::Start(0))?;
        frame::read(BufReader::with_capacity(1 << 20, &file), each)
    }

    /// Opens what was read for appending.
    pub(super) fn resume(&self, contents: &Contents) -> io::Result<Live> {
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.set_len(contents.bytes)?;
        file.seek(SeekFrom::Start(contents.bytes))?;
        Ok(Live {
            file,
            framer: contents.framer,
            bytes: contents.bytes,
            base_bytes: contents.base_bytes,
        })
    }

    /// Whether it is this snapshot that lies at the path: it may have been
    /// removed or replaced from outside.
    pub(super) fn has(&self, live: &Live) -> bool {
        let place = |found: fs::Metadata| (found.dev(), found.ino());
        let there = fs::metadata(&self.path).map(place);
        // Whatever is wrong with either, writing anew brings it to light.
        matches!((there, live.file.metadata().map(place)), (Ok(there), Ok(ours)) if there == ours)
    }

    /// Renames what lies at the path, so that nothing is lost but its place.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let aside = self.beside(".aside");
        fs::rename(&self.path, &aside)?;
        Ok(aside)
    }

    /// Keeps a second name for what lies at the path, which is to be replaced.
    pub(super) fn keep_aside(&self) -> io::Result<PathBuf> {
        let aside = self.beside(".aside");
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::hard_link(&self.path, &aside).or_else(|_| fs::copy(&self.path, &aside).map(drop))?;
        Ok(aside)
    }

    /// Begins the next snapshot, which nobody sees yet.
    pub(super) fn begin(&self) -> io::Result<Base> {
        let mut options = at_once();
        let file = options.create(true).truncate(true).write(true).open(self.beside(".new"))?;
        let (framer, header) = Framer::new(salt());
        let mut base = Base { file, framer, bytes: 0, changes: 0, chunk: Vec::new() };
        base.write(&header)?;
        Ok(base)
    }

    /// Puts a new snapshot in place of the old.
    pub(super) fn replace(&self, live: &Live) -> io::Result<()> {
        live.file.sync_data()?;
        fs::rename(self.beside(".new"), &self.path)?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Drops what became of a begun one.
    pub(super) fn give_up(&self) {
        // Full disks are helped by this; failing, the next one overwrites it.
        let _ = fs::remove_file(self.beside(".new"));
    }
}

impl Live {
    /// Appends changes. After an error the file ends where it did.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        let mut framer = self.framer;
        let frame = framer.batch(records);
        if let Err(error) = self.file.write_all(&frame) {
            // Either may fail too: what is torn is then overwritten, or is read
            // as the torn end it is.
            let _ = self.file.set_len(self.bytes);
            self.file.seek(SeekFrom::Start(self.bytes))?;
            return Err(error);
        }
        self.framer = framer;
        self.bytes += frame.len() as u64;
        Ok(())
    }

    /// Has every append fail; gives what it is to be [put back](Self::put_back).
    #[cfg(test)]
    pub(super) fn replace_by_unwritable(&mut self, path: &Path) -> File {
        std::mem::replace(&mut self.file, File::open(path).expect("it is there"))
    }

    #[cfg(test)]
    pub(super) fn put_back(&mut self, file: File) {
        self.file = file;
    }

    /// Has what was appended outlive the system.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A snapshot that is being written.
pub(super) struct Base {
    file: File,
    framer: Framer,
    bytes: u64,
    changes: u64,
    chunk: Vec<u8>,
}

/// Bytes of records in a frame of the base.
const CHUNK: usize = 256 << 10;

impl Base {
    /// Adds one record, which `encode` appends.
    pub(super) fn add(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        encode(&mut self.chunk);
        self.changes += 1;
        if self.chunk.len() >= CHUNK { self.end_chunk() } else { Ok(()) }
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let frame = self.framer.base_chunk(&self.chunk);
        self.chunk.clear();
        self.write(&frame)
    }

    /// Ends it: what follows are changes. It is on the disk then.
    pub(super) fn end(mut self) -> io::Result<Live> {
        self.end_chunk()?;
        let end = self.framer.base_end(self.changes);
        self.write(&end)?;
        self.file.sync_all()?;
        let Self { file, framer, bytes, .. } = self;
        Ok(Live { file, framer, bytes, base_bytes: bytes })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// How to open: a pipe at the place of a file is found out, and not waited for.
fn at_once() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NONBLOCK);
    options
}

/// Another one for every file, or nearly so.
fn salt() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64 ^ fastrand::u64(..)
}
