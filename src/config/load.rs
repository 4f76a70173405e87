//! From a file to validated settings.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Diagnostics, Settings};

/// The largest configuration file, in bytes: room for some 300,000 routes, and
/// an end for a device or pipe named by mistake.
const LARGEST_FILE: u64 = 64 << 20;

/// Why a configuration file gave no settings.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("{}: no such file", .0.display())]
    NotFound(PathBuf),
    /// It is there and cannot be read, or is no file.
    #[error("{}: cannot be read: {error}", .path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// It is larger than 64 MiB.
    #[error("{}: larger than 64 MiB", .0.display())]
    TooLarge(PathBuf),
    /// It is not UTF-8, which TOML must be.
    #[error("{}: not UTF-8 from byte {offset} (line {line}) on", .path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The first byte that is not UTF-8, counted from 0.
        offset: usize,
        /// The line it stands in, counted from 1.
        line: usize,
    },
    /// It was read, and is not a valid configuration.
    #[error(transparent)]
    Invalid(#[from] Diagnostics),
}

/// Bytes of [`LoadError::in_short`] at most.
const SHORT_BYTES: usize = 300;

impl LoadError {
    /// The first thing that is wrong, in a line that may be shown to anybody:
    /// bounded, without the file's path, and without what stands in the file
    /// between quotes, which may be a secret.
    pub fn in_short(&self) -> String {
        let text = match self {
            Self::NotFound(_) => "no such file".into(),
            Self::NotReadable { error, .. } => format!("cannot be read: {error}"),
            Self::TooLarge(_) => "larger than 64 MiB".into(),
            Self::NotUtf8 { line, .. } => format!("line {line}: not UTF-8"),
            Self::Invalid(diagnostics) => {
                let entries = diagnostics.entries();
                let first = entries.first().map(|entry| {
                    let (line, key) = (entry.line, &entry.key);
                    let key = if key.is_empty() { "" } else { &format!("{key}: ") };
                    format!("line {line}: {key}{}", without_quotes(&entry.reason))
                });
                let more = match entries.len().saturating_sub(1) {
                    0 => String::new(),
                    more => format!(" (and {more} more)"),
                };
                // What could be long is cut before it, so that it is seen.
                let room = SHORT_BYTES - more.len();
                return cut(first.unwrap_or_default(), room) + &more;
            }
        };
        cut(text, SHORT_BYTES)
    }
}

/// The clause up to the first thing it quotes.
fn without_quotes(reason: &str) -> String {
    match reason.find(['"', '`', '\'']) {
        Some(quote) => format!("{} …", reason[..quote].trim_end()),
        None => reason.to_owned(),
    }
}

/// At most `bytes` of a text, whole characters.
fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

/// Reads and validates the file at `path`, and the files it names for TLS. What
/// works and is hardly meant so is logged.
///
/// # Errors
/// [`LoadError`] tells apart what went wrong; [`LoadError::Invalid`] holds every
/// mistake of the file.
pub fn load(path: &Path) -> Result<Settings, LoadError> {
    let (settings, warnings) = load_with_warnings(path)?;
    for warning in warnings.entries() {
        tracing::warn!("{warning}");
    }
    Ok(settings)
}

/// The same with those warnings, perhaps none, instead of a log of them.
///
/// # Errors
/// As for [`load`].
pub(crate) fn load_with_warnings(path: &Path) -> Result<(Settings, Diagnostics), LoadError> {
    let bytes = read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::NotFound(path.into()),
        _ => LoadError::NotReadable { path: path.into(), error },
    })?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(LoadError::TooLarge(path.into()));
    }
    let text = str::from_utf8(&bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
        LoadError::NotUtf8 { path: path.into(), offset, line }
    })?;
    let (settings, mut warnings) = super::read(text, &path.display().to_string())?;
    let faults = crate::router::faults(&settings);
    if !faults.is_empty() {
        return Err(Diagnostics::new(text, faults).into());
    }
    warnings.extend(crate::tls::complaints(&settings, SystemTime::now()));
    Ok((settings, Diagnostics::new(text, warnings)))
}

/// The bytes of the file, or one more than it may have.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_to_read(path)?.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file without waiting for anybody: to open a FIFO that nobody writes
/// to would take for ever, and no reload would come after it. It is empty so.
///
/// # Errors
/// As the system says.
pub(crate) fn open_to_read(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    // A pipe that has a writer is waited for, as `-c <(program)` needs.
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load_bytes(bytes: &[u8]) -> (PathBuf, Result<Settings, LoadError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pointsman.toml");
        std::fs::write(&path, bytes).unwrap();
        let result = load(&path);
        (path, result)
    }

    #[test]
    fn a_good_file_gives_settings() {
        let (_, result) = load_bytes(b"[[listener]]\naddress = \"127.0.0.1:0\"");
        assert_eq!(result.unwrap().listeners.len(), 1);
    }

    #[test]
    fn a_wrong_file_gives_diagnostics_under_its_own_name() {
        let (path, result) = load_bytes(b"a = ");
        let Err(LoadError::Invalid(diagnostics)) = result else { panic!("{result:?}") };
        assert_eq!(diagnostics.entries()[0].file, path.display().to_string());
    }

    #[test]
    fn a_missing_file_is_told_from_one_that_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let missing = load(&folder.path().join("none.toml"));
        assert!(matches!(missing, Err(LoadError::NotFound(_))), "{missing:?}");
        let unreadable = load(folder.path());
        assert!(matches!(unreadable, Err(LoadError::NotReadable { .. })), "{unreadable:?}");
    }

    #[test]
    fn the_first_byte_that_is_not_utf_8_is_named() {
        let (path, result) = load_bytes(b"# one\n# \xff\n");
        let expected = format!("{}: not UTF-8 from byte 8 (line 2) on", path.display());
        assert_eq!(result.unwrap_err().to_string(), expected);
    }

    #[test]
    fn in_short_it_is_bounded_and_shows_neither_the_path_nor_what_is_quoted() {
        let long = "k".repeat(1_000);
        let wrong = format!(
            "[[listener]]\naddress = \"s3cret\"\n[registry.nats]\nurls = [\"nats://u:s3cret@\"]\n\
             [timeouts]\n{long} = 1\n"
        );
        for text in [wrong.as_str(), "a = s3cret", "[timeouts]\nconnect = \"s3cret\""] {
            let (path, result) = load_bytes(text.as_bytes());
            let short = result.unwrap_err().in_short();
            assert!(short.starts_with("line ") && short.len() <= SHORT_BYTES, "{short}");
            let path = path.display().to_string();
            assert!(!short.contains("s3cret") && !short.contains(&path), "{short}");
        }
        let (_, result) = load_bytes(format!("[timeouts]\n{long} = 1\nb = 2").as_bytes());
        let short = result.unwrap_err().in_short();
        assert!(short.len() <= SHORT_BYTES && short.ends_with(" more)"), "{short}");
        assert_eq!(LoadError::NotFound("/etc/x".into()).in_short(), "no such file");
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let endless = load(Path::new("/dev/zero"));
        assert!(matches!(endless, Err(LoadError::TooLarge(_))), "{endless:?}");
    }
}
