//! Where the records of TLS end (RFC 8446 section 5.1), seen from outside.
//!
//! rustls takes in whatever comes and does not say whether it holds half a
//! record. That half is a message on its way, as half a head is without TLS.

/// The type of what is inside, a version, and the length of what follows.
const HEAD_BYTES: usize = 5;

/// Follows the records of one direction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// Bytes of the record that are still to come.
    left: usize,
}

impl Records {
    /// These bytes came.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }
            let taken = (HEAD_BYTES - self.head_bytes).min(bytes.len());
            self.head[self.head_bytes..][..taken].copy_from_slice(&bytes[..taken]);
            self.head_bytes += taken;
            bytes = &bytes[taken..];
            if self.head_bytes == HEAD_BYTES {
                let [_, _, _, high, low] = self.head;
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.head_bytes = 0;
            }
        }
    }

    /// Whether the last record is whole.
    pub(crate) fn is_between(&self) -> bool {
        self.head_bytes == 0 && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(payload: usize) -> Vec<u8> {
        let mut record = vec![0x17, 3, 3];
        record.extend_from_slice(&(payload as u16).to_be_bytes());
        record.resize(HEAD_BYTES + payload, 0xff);
        record
    }

    #[test]
    fn it_is_between_two_records_exactly_behind_each_one() {
        for payload in [0, 1, 4, 5, 255, 256, 16_640] {
            let record = record(payload);
            for step in [1, 2, 5, 7, 4096] {
                let (mut records, mut passed) = (Records::default(), 0);
                assert!(records.is_between());
                for piece in [&record[..], &record].concat().chunks(step) {
                    records.pass(piece);
                    passed += piece.len();
                    assert_eq!(records.is_between(), passed % record.len() == 0);
                }
            }
        }
    }
}
