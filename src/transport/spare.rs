//! Buffers at rest, for whichever connection of the thread needs one next.
//!
//! An idle connection holds no buffer, so every exchange needs four: what it
//! reads and writes on either side. From the allocator each costs a good part
//! of what reading a head does, and with many connections at once more than its
//! thread caches keep; from here it costs a push and a pop, and the last one
//! used, which the processor still has at hand, is the next one taken.

use std::cell::RefCell;

use bytes::BytesMut;

/// The room in a buffer taken from here, in bytes: for nearly every head.
pub(super) const SPARE_BYTES: usize = 2 << 10;
/// One that has more room than this is not kept.
const MOST_BYTES: usize = 8 << 10;
/// How many a thread keeps.
const MOST_SPARES: usize = 256;

thread_local! {
    static SPARES: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room for [`SPARE_BYTES`] at least.
pub(super) fn take() -> BytesMut {
    let spare = |spares: &RefCell<Vec<BytesMut>>| {
        let mut spares = spares.borrow_mut();
        // One that somebody still reads from cannot be used; nor is it worth
        // waiting for.
        let usable = |mut spare: BytesMut| {
            let has_room = spare.capacity() >= SPARE_BYTES || spare.try_reclaim(SPARE_BYTES);
            (has_room && spare.capacity() <= MOST_BYTES).then_some(spare)
        };
        spares.pop().and_then(usable).or_else(|| spares.pop().and_then(usable))
    };
    // A thread that is ending has no spares.
    SPARES.try_with(spare).ok().flatten().unwrap_or_else(|| BytesMut::with_capacity(SPARE_BYTES))
}

/// Takes back a buffer nobody writes to any more; what is in it is forgotten.
pub(super) fn give_back(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.capacity() > MOST_BYTES {
        return;
    }
    let _ = SPARES.try_with(|spares| {
        let mut spares = spares.borrow_mut();
        if spares.len() < MOST_SPARES {
            spares.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_given_back_is_the_next_one_taken_and_empty() {
        let mut buffer = take();
        buffer.extend_from_slice(b"left over");
        let place = buffer.as_ptr();
        give_back(buffer);
        let again = take();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert_ne!(take().as_ptr(), place, "it is in use");
    }

    #[test]
    fn what_somebody_still_reads_from_is_not_written_over() {
        let mut buffer = take();
        buffer.extend_from_slice(b"a head");
        let head = buffer.split_to(6).freeze();
        give_back(buffer);
        let mut other = take();
        other.extend_from_slice(b"another");
        assert_eq!(head, "a head");
        drop(head);
    }

    #[test]
    fn one_that_was_read_from_is_whole_again_when_that_is_over() {
        let mut buffer = take();
        buffer.extend_from_slice(&[b'x'; SPARE_BYTES]);
        let place = buffer.as_ptr();
        let head = buffer.split_to(SPARE_BYTES).freeze();
        give_back(buffer);
        drop(head);
        let again = take();
        assert_eq!(again.as_ptr(), place);
        assert!(again.capacity() >= SPARE_BYTES);
    }

    #[test]
    fn neither_large_ones_nor_more_than_enough_are_kept() {
        give_back(BytesMut::with_capacity(MOST_BYTES + 1));
        for _ in 0..2 * MOST_SPARES {
            give_back(BytesMut::with_capacity(SPARE_BYTES));
        }
        let kept = SPARES.with_borrow(Vec::len);
        assert_eq!(kept, MOST_SPARES);
        assert!(SPARES.with_borrow(|all| all.iter().all(|spare| spare.capacity() <= MOST_BYTES)));
    }
}
