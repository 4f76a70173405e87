//! Where the frames of a WebSocket end (RFC 6455 section 5.2), seen from
//! outside: nothing of them is kept, changed or unmasked.
//!
//! It is needed for one thing: to say goodbye to a client at a drain, a Close
//! frame has to stand between two frames and not within one.

/// An unmasked Close frame with status 1001, Going Away (RFC 6455 section 7.4.1).
pub(crate) const GOING_AWAY: &[u8] = &[0x88, 0x02, 0x03, 0xe9];

/// The opcode of a Close frame.
const CLOSE: u8 = 0x8;

/// Follows the frames of one direction, server to client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    /// The head of the frame being read.
    head: [u8; 10],
    head_bytes: usize,
    /// Bytes of the frame's payload that are still to come.
    payload_left: u64,
    /// A Close frame has begun, or this is no WebSocket after all.
    over: bool,
}

impl Frames {
    /// These bytes were sent.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        while !self.over && !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len() as u64);
            self.payload_left -= skipped;
            // No more than `bytes` has.
            bytes = &bytes[skipped as usize..];
            if let Some((first, rest)) = bytes.split_first() {
                bytes = rest;
                self.head[self.head_bytes] = *first;
                self.head_bytes += 1;
                self.read_head();
            }
        }
    }

    /// Whether the last frame is whole, and another may follow.
    pub(crate) fn is_between(&self) -> bool {
        !self.over && self.head_bytes == 0 && self.payload_left == 0
    }

    /// As much of `bytes`, which come next, as belongs to the frame that has
    /// begun; all of them where frames are no longer followed.
    pub(crate) fn rest_of_frame<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        let mut ahead = self.clone();
        let ends = |byte: &u8| {
            ahead.pass(std::slice::from_ref(byte));
            ahead.is_between()
        };
        match bytes.iter().position(ends) {
            Some(last) => &bytes[..=last],
            None => bytes,
        }
    }

    fn read_head(&mut self) {
        let [first, second, ..] = self.head;
        if self.head_bytes < 2 {
            self.over = first & 0x0f == CLOSE;
            return;
        }
        let is_masked = second & 0x80 != 0;
        if is_masked {
            // RFC 6455 section 5.1: a server must not.
            self.over = true;
            return;
        }
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.head_bytes < 2 + extended {
            return;
        }
        let number = self.head[2..2 + extended].iter();
        self.payload_left = match extended {
            0 => u64::from(second & 0x7f),
            _ => number.fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        self.head_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match payload {
            0..=125 => frame.push(payload as u8),
            126..=65_535 => {
                frame.push(126);
                frame.extend_from_slice(&(payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend_from_slice(&(payload as u64).to_be_bytes());
            }
        }
        frame.resize(frame.len() + payload, 0xff);
        frame
    }

    #[test]
    fn another_frame_may_follow_exactly_behind_each_one() {
        for payload in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            // Text that goes on, the rest of it, a ping, binary.
            for first in [0x01, 0x80, 0x89, 0x82, 0xc1] {
                let frame = frame(first, payload);
                for step in [1, 3, 7, 4096] {
                    let (mut frames, mut sent) = (Frames::default(), 0);
                    for _ in 0..2 {
                        for piece in frame.chunks(step) {
                            frames.pass(piece);
                            sent += piece.len();
                            assert_eq!(frames.is_between(), sent.is_multiple_of(frame.len()));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_rest_of_a_frame_ends_where_another_may_follow() {
        let two = [frame(0x82, 300), frame(0x81, 5)].concat();
        for sent in 1..304 {
            let mut frames = Frames::default();
            frames.pass(&two[..sent]);
            assert_eq!(frames.rest_of_frame(&two[sent..]).len(), 304 - sent);
        }
    }

    #[test]
    fn nothing_follows_a_close_and_nothing_is_put_into_what_is_no_websocket() {
        for bytes in [&frame(0x88, 2)[..], &frame(0x08, 0), &[0x81, 0x81, 1, 2, 3, 4, 5]] {
            let mut frames = Frames::default();
            assert!(frames.is_between());
            for byte in bytes {
                frames.pass(std::slice::from_ref(byte));
            }
            assert!(!frames.is_between());
        }
    }
}
