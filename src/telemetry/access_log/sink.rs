//! Where lines end up.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

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

struct LogFile {
    path: PathBuf,
    file: File,
}

impl LogFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { path: path.to_owned(), file })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
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
