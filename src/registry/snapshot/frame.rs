//! The file's bytes: a header, then frames, each with its checksums.
//!
//! ```text
//! file    = header base-chunk* base-end batch*
//! header  = "pointsmn" version:u32 salt:u64 crc:u32              24 bytes
//! frame   = length:u32 crc(payload):u32 crc(above, index, salt):u32 payload
//! payload = kind:u8 record*                 (base-end: kind count:u64)
//! ```
//!
//! Numbers are little-endian, checksums CRC-32. The first part is the whole
//! table at one moment, and the batches are what changed since, in order. A
//! frame's own checksum is over its place in the file and the file's salt too,
//! so that frames neither change places nor come from an older file.
//!
//! The base is written before the file has its name, so that it is whole or
//! the file is damaged. Batches are appended to the live file: an append that
//! was cut off leaves a torn last frame, as any kill may, and what precedes it
//! counts.

use std::io::{self, Read};

use crate::registry::{Change, Source};

use super::record;

/// What a snapshot begins with.
pub const MAGIC: [u8; 8] = *b"pointsmn";
/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 24;
/// Bytes of a payload at most.
pub const MAX_PAYLOAD: usize = 64 << 20;

const FRAME_HEADER: usize = 12;
const BASE_CHUNK: u8 = 1;
const BASE_END: u8 = 2;
const BATCH: u8 = 3;

/// Why a file is not used at all.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It does not begin as a snapshot does.
    #[error("it is not a snapshot of this router")]
    Foreign,
    /// It is of another version.
    #[error("it has format version {0}, and this router reads {VERSION}")]
    Version(u32),
    /// The table it begins with is not whole.
    #[error("it is damaged at byte {0}")]
    Damaged(u64),
    /// It is a directory, a pipe, a device.
    #[error("it is not a regular file")]
    NoFile,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// How the changes after the base end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With the file.
    Whole,
    /// In the middle of a frame, as after a kill.
    Torn,
    /// In what nobody wrote there.
    Damaged,
}

/// What was read of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Changes read, those of the base included.
    pub changes: u64,
    /// Bytes up to the end of the base.
    pub base_bytes: u64,
    /// Bytes that counted; what follows is to be cut off before appending.
    pub bytes: u64,
    /// How it ended.
    pub tail: Tail,
    /// Where writing goes on.
    pub framer: Framer,
}

/// Makes the frames of one file, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framer {
    salt: u64,
    index: u64,
}

impl Framer {
    /// For a new file, with its header. The salt should differ from that of
    /// every earlier file.
    pub fn new(salt: u64) -> (Self, [u8; HEADER_BYTES]) {
        let mut header = [0; HEADER_BYTES];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[12..20].copy_from_slice(&salt.to_le_bytes());
        let crc = crc32fast::hash(&header[..20]);
        header[20..].copy_from_slice(&crc.to_le_bytes());
        (Self { salt, index: 0 }, header)
    }

    /// A frame of base records.
    pub fn base_chunk(&mut self, records: &[u8]) -> Vec<u8> {
        self.frame(BASE_CHUNK, records)
    }

    /// The frame behind the last base record.
    pub fn base_end(&mut self, changes: u64) -> Vec<u8> {
        self.frame(BASE_END, &changes.to_le_bytes())
    }

    /// A frame of changes, in force together or not at all.
    pub fn batch(&mut self, records: &[u8]) -> Vec<u8> {
        self.frame(BATCH, records)
    }

    fn frame(&mut self, kind: u8, records: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(FRAME_HEADER + 1 + records.len());
        frame.resize(FRAME_HEADER, 0);
        frame.push(kind);
        frame.extend_from_slice(records);
        let payload = &frame[FRAME_HEADER..];
        // The callers keep chunks and batches far below `MAX_PAYLOAD`.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let crc = crc32fast::hash(payload);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        let own = self.check(length, crc);
        frame[8..FRAME_HEADER].copy_from_slice(&own.to_le_bytes());
        self.index += 1;
        frame
    }

    fn check(&self, length: u32, crc: u32) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&length.to_le_bytes());
        hasher.update(&crc.to_le_bytes());
        hasher.update(&self.index.to_le_bytes());
        hasher.update(&self.salt.to_le_bytes());
        hasher.finalize()
    }
}

/// Reads a snapshot, and gives its changes to `each` in the order in which
/// they are to be applied.
///
/// # Errors
/// If it is refused. Then `each` may have had some of its changes; a first run
/// with an `each` that does nothing finds that out.
pub fn read(input: impl Read, mut each: impl FnMut(Source, Change)) -> Result<Contents, Refusal> {
    let mut frames = Frames::open(input)?;
    let mut base = 0u64;
    loop {
        let at = frames.at;
        let Next::Frame(kind) = frames.next()? else { return Err(Refusal::Damaged(at)) };
        match kind {
            BASE_CHUNK => match records(&frames.payload[1..], &mut each) {
                Some(count) => base += count,
                None => return Err(Refusal::Damaged(at)),
            },
            BASE_END if frames.payload[1..] == base.to_le_bytes() => break,
            _ => return Err(Refusal::Damaged(at)),
        }
    }
    let base_bytes = frames.at;
    let mut contents = Contents {
        changes: base,
        base_bytes,
        bytes: base_bytes,
        tail: Tail::Whole,
        framer: frames.framer,
    };
    loop {
        let read = match frames.next()? {
            // Looked through before any of it counts: a batch is whole or nothing.
            Next::Frame(BATCH) => records(&frames.payload[1..], |_, _| {})
                .and_then(|_| records(&frames.payload[1..], &mut each)),
            Next::Frame(_) | Next::Damaged => None,
            Next::End => return Ok(contents),
            Next::Torn => return Ok(Contents { tail: Tail::Torn, ..contents }),
        };
        let Some(count) = read else { return Ok(Contents { tail: Tail::Damaged, ..contents }) };
        contents.changes += count;
        contents.bytes = frames.at;
        contents.framer = frames.framer;
    }
}

/// Gives every record to `each`; how many there were, or `None` if the bytes
/// are not records.
fn records(mut bytes: &[u8], mut each: impl FnMut(Source, Change)) -> Option<u64> {
    let mut count = 0;
    while !bytes.is_empty() {
        let (source, change) = record::decode(&mut bytes).ok()?;
        each(source, change);
        count += 1;
    }
    Some(count)
}

struct Frames<R> {
    input: R,
    framer: Framer,
    payload: Vec<u8>,
    /// Bytes read in whole frames, and the header.
    at: u64,
}

enum Next {
    Frame(u8),
    End,
    Torn,
    Damaged,
}

impl<R: Read> Frames<R> {
    fn open(mut input: R) -> Result<Self, Refusal> {
        let mut header = [0; HEADER_BYTES];
        let read = fill(&mut input, &mut header)?;
        if header[..8] != MAGIC || read < 12 {
            return Err(Refusal::Foreign);
        }
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
        let sound = read == HEADER_BYTES && word(20) == crc32fast::hash(&header[..20]);
        if word(8) != VERSION {
            return Err(Refusal::Version(word(8)));
        }
        if !sound {
            return Err(Refusal::Damaged(0));
        }
        let salt = u64::from(word(12)) | u64::from(word(16)) << 32;
        let framer = Framer { salt, index: 0 };
        Ok(Self { input, framer, payload: Vec::new(), at: HEADER_BYTES as u64 })
    }

    /// The next frame's kind; its records are then in `payload`, behind it.
    fn next(&mut self) -> io::Result<Next> {
        let mut header = [0; FRAME_HEADER];
        match fill(&mut self.input, &mut header)? {
            0 => return Ok(Next::End),
            FRAME_HEADER => {}
            _ => return Ok(Next::Torn),
        }
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| header[at + i]));
        let (length, crc, own) = (word(0), word(4), word(8));
        let bytes = length as usize;
        if own != self.framer.check(length, crc) || bytes == 0 || bytes > MAX_PAYLOAD {
            return Ok(Next::Damaged);
        }
        self.payload.clear();
        // Grows with what is really there, whatever the length says.
        self.input.by_ref().take(u64::from(length)).read_to_end(&mut self.payload)?;
        if self.payload.len() < bytes {
            return Ok(Next::Torn);
        }
        if crc32fast::hash(&self.payload) != crc {
            return Ok(Next::Damaged);
        }
        self.framer.index += 1;
        self.at += (FRAME_HEADER + bytes) as u64;
        Ok(Next::Frame(self.payload[0]))
    }
}

/// Reads until `buffer` is full or the input ends; how much was read.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
