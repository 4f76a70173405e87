//! Choices read off the front of an input. Plain bytes in a fixed order, so
//! that inputs can be written by hand and stay small under mutation.

/// What is left of an input.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; 0 when there is none.
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// The next byte's lowest bit.
    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// One of `choices`.
    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Everything up to the next `end`, which is dropped.
    pub(crate) fn until(&mut self, end: u8) -> &'a [u8] {
        let at = self.0.iter().position(|byte| *byte == end).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(at);
        self.0 = rest.get(1..).unwrap_or_default();
        taken
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Cuts of a message into pieces, from one byte: whole, byte by byte, or by
/// lengths that take turns.
pub(crate) fn cuts(byte: u8) -> Vec<usize> {
    match byte {
        0 => vec![usize::MAX],
        _ => vec![usize::from(byte & 7) + 1, usize::from(byte >> 3) + 1, 1],
    }
}
