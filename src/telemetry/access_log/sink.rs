//! Where lines end up.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::config::AccessLogTarget;

/// A place for lines, owned by the writer thread.
pub(super) trait Sink: Write + Send {
    /// Opens the place again, after something moved the file away.
    fn reopen(&mut self) -> io::Result<()>;
}

/// Opens what the settings name; `None` for off.
pub(super) fn open(target: &AccessLogTarget) -> io::Result<Option<Box<dyn Sink>>> {
    Ok(match target {
        AccessLogTarget::Off => None,
        // A descriptor of our own: no buffer, and no lock that a line printed
        // elsewhere would wait for while this thread is stuck in a write.
        AccessLogTarget::Stdout => {
            Some(Box::new(Stdout(io::stdout().as_fd().try_clone_to_owned()?.into())))
        }
        AccessLogTarget::File(path) => Some(Box::new(LogFile::open(path)?)),
    })
}

struct Stdout(File);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Stdout {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file, or a FIFO.
///
/// To open a FIFO for writing waits for its reader. Neither the start nor a
/// reopening may hang on a program that is not there yet, or will not come:
/// until a FIFO has a reader its lines are lost and counted, as they are when
/// the reader has gone. (nginx waits, without a word; who gives it a FIFO has to
/// start the reader first, and has an outage when they forget.)
struct LogFile {
    path: PathBuf,
    /// `None` for a FIFO without a reader.
    file: Option<File>,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = open_to_append(path)?;
        if file.is_none() {
            let path = path.display();
            tracing::warn!(%path, "nobody reads the access log's FIFO; lines are lost until then");
        }
        Ok(Self { path: path.to_owned(), file })
    }
}

/// Opens a file without waiting; `None` for a FIFO without a reader.
fn open_to_append(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).custom_flags(libc::O_NONBLOCK);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) && is_fifo(path) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // The thread that writes may wait, and at the end somebody waits for it.
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(Some(file))
}

fn is_fifo(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.file.is_none() {
            self.file = open_to_append(&self.path)?;
        }
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::Error::new(ErrorKind::NotConnected, "nobody reads the FIFO")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for LogFile {
    fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(&self.path)?;
        Ok(())
    }
}
