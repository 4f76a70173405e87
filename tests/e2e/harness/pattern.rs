//! A body of any length whose every byte has its place: a lost, doubled or
//! swapped piece cannot go unnoticed, and checking it is one comparison.

/// The period; a prime, so that no buffer size divides it.
const PERIOD: usize = 65_521;

/// The pattern, and how far it was followed.
pub(crate) struct Pattern {
    block: Vec<u8>,
    offset: usize,
    /// Whether everything so far agreed.
    pub(crate) agrees: bool,
}

impl Pattern {
    /// At its beginning.
    pub(crate) fn new() -> Self {
        let mut state = 0x9e37_79b9_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        Self { block: std::iter::repeat_with(next).take(PERIOD).collect(), offset: 0, agrees: true }
    }

    /// The next piece, at most `most` bytes of it.
    pub(crate) fn piece(&mut self, most: u64) -> &[u8] {
        let at = self.offset;
        let length = (PERIOD - at).min(usize::try_from(most).unwrap_or(usize::MAX));
        self.offset = (at + length) % PERIOD;
        &self.block[at..at + length]
    }

    /// Compares what came with what comes next.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = self.piece(bytes.len() as u64);
            let length = expected.len();
            let same = expected == &bytes[..length];
            self.agrees &= same;
            bytes = &bytes[length..];
        }
    }

    /// Its first `bytes` bytes.
    pub(crate) fn bytes(bytes: usize) -> Vec<u8> {
        let mut pattern = Self::new();
        let mut all = Vec::with_capacity(bytes);
        while all.len() < bytes {
            let piece = pattern.piece((bytes - all.len()) as u64);
            all.extend_from_slice(piece);
        }
        all
    }
}
