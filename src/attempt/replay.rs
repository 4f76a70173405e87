//! A request body that can be sent again while all of it that was taken from
//! the client still fits a bounded buffer.

use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};

use crate::http1::FieldLines;
use crate::request::{BodyFailure, BodyFrame, RequestBody};

/// Removes from a trailer section what may not travel.
pub(crate) type CleanTrailers = Box<dyn Fn(FieldLines) -> FieldLines + Send>;

/// The request's body and the copy of what has been taken from it.
///
/// Pieces are copied, not shared: a shared piece would pin the whole read
/// buffer it came in, and a body of tiny chunks thousands of buffers. Boxed: most
/// requests have none, and it goes through many hands.
pub(crate) struct ReplayBody(Option<Box<Taken>>);

struct Taken {
    source: RequestBody,
    source_ended: bool,
    clean_trailers: Option<CleanTrailers>,
    keep_bytes: usize,
    kept: BytesMut,
    trailers: Option<FieldLines>,
    /// Whether everything taken from `source` is in `kept`.
    whole: bool,
    /// What the current attempt must still be given before the source.
    again: Bytes,
    trailers_given: bool,
}

impl ReplayBody {
    /// Wraps `source`; at most `keep_bytes` of it are kept for a replay.
    pub(crate) fn new(source: RequestBody, keep_bytes: usize) -> Self {
        if matches!(source, RequestBody::Empty) {
            return Self::empty();
        }
        Self(Some(Box::new(Taken {
            source,
            source_ended: false,
            clean_trailers: None,
            keep_bytes,
            kept: BytesMut::new(),
            trailers: None,
            whole: true,
            again: Bytes::new(),
            trailers_given: false,
        })))
    }

    /// The body of a request without content.
    pub(crate) fn empty() -> Self {
        Self(None)
    }

    /// Passes a trailer section through `clean` before anyone sees it.
    pub(crate) fn clean_trailers(&mut self, clean: CleanTrailers) {
        if let Some(taken) = &mut self.0 {
            taken.clean_trailers = Some(clean);
        }
    }

    /// Whether another attempt can be given the same body from its start.
    pub(crate) fn can_replay(&self) -> bool {
        self.0.as_ref().is_none_or(|taken| taken.whole)
    }

    /// Starts again from the first byte. Only where [`can_replay`] holds.
    ///
    /// [`can_replay`]: Self::can_replay
    pub(crate) fn rewind(&mut self) {
        let Some(taken) = &mut self.0 else { return };
        debug_assert!(taken.whole);
        taken.again = Bytes::copy_from_slice(&taken.kept);
        taken.trailers_given = false;
    }

    /// No further attempt will come: keeps nothing more and forgets the copy.
    pub(crate) fn settle(&mut self) {
        let Some(taken) = &mut self.0 else { return };
        taken.keep_bytes = 0;
        taken.whole = false;
        taken.kept = BytesMut::new();
    }

    /// The next piece for the current attempt, `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        self.0.as_mut().map_or(Poll::Ready(None), |taken| taken.poll_frame(cx))
    }
}

impl Taken {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        if !self.again.is_empty() {
            let again = std::mem::take(&mut self.again);
            return Poll::Ready(Some(Ok(BodyFrame::Data(again))));
        }
        if self.source_ended {
            let trailers = if self.trailers_given { None } else { self.trailers.clone() };
            self.trailers_given = true;
            return Poll::Ready(trailers.map(|fields| Ok(BodyFrame::Trailers(fields))));
        }
        let mut frame = ready!(self.source.poll_frame(cx));
        if let (Some(Ok(BodyFrame::Trailers(fields))), Some(clean)) =
            (&mut frame, &self.clean_trailers)
        {
            *fields = clean(std::mem::take(fields));
        }
        match &frame {
            Some(Ok(BodyFrame::Data(data))) => self.keep(data),
            Some(Ok(BodyFrame::Trailers(fields))) => {
                self.source_ended = true;
                self.trailers_given = true;
                if self.whole {
                    self.trailers = Some(fields.clone());
                }
            }
            Some(Err(_)) => self.whole = false,
            None => self.source_ended = true,
        }
        Poll::Ready(frame)
    }

    fn keep(&mut self, data: &Bytes) {
        if !self.whole {
            return;
        }
        if self.kept.len() + data.len() > self.keep_bytes {
            self.whole = false;
            self.kept = BytesMut::new();
        } else {
            self.kept.extend_from_slice(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::task::Waker;

    use super::*;
    use crate::request::BodySource;

    struct Pieces(VecDeque<&'static [u8]>);

    impl BodySource for Pieces {
        fn poll_frame(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
            Poll::Ready(self.0.pop_front().map(|p| Ok(BodyFrame::Data(Bytes::from_static(p)))))
        }
    }

    fn body(pieces: &[&'static [u8]], keep_bytes: usize) -> ReplayBody {
        let source = Pieces(pieces.iter().copied().collect());
        ReplayBody::new(RequestBody::Source(Box::new(source)), keep_bytes)
    }

    fn take(body: &mut ReplayBody, pieces: usize) -> Vec<u8> {
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..pieces {
            if let Poll::Ready(Some(Ok(BodyFrame::Data(data)))) = body.poll_frame(&mut cx) {
                out.extend_from_slice(&data);
            }
        }
        out
    }

    fn holds_no_copy(body: &ReplayBody) -> bool {
        body.0.as_ref().is_none_or(|taken| taken.kept.capacity() == 0)
    }

    #[test]
    fn an_attempt_after_a_half_taken_body_gets_all_of_it() {
        let mut body = body(&[b"one ", b"two ", b"three"], 64);
        assert_eq!(take(&mut body, 2), b"one two ");
        assert!(body.can_replay());
        body.rewind();
        assert_eq!(take(&mut body, 9), b"one two three");
        body.rewind();
        assert_eq!(take(&mut body, 9), b"one two three");
    }

    #[test]
    fn a_body_that_failed_is_not_whole() {
        struct Fails;
        impl BodySource for Fails {
            fn poll_frame(
                &mut self,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
                Poll::Ready(Some(Err(BodyFailure::TooSlow)))
            }
        }
        let mut body = ReplayBody::new(RequestBody::Source(Box::new(Fails)), 64);
        assert!(take(&mut body, 1).is_empty());
        assert!(!body.can_replay());
    }

    #[test]
    fn a_body_past_the_limit_cannot_be_replayed_and_frees_its_copy() {
        let mut body = body(&[b"0123", b"4567"], 7);
        assert_eq!(take(&mut body, 1), b"0123");
        assert!(body.can_replay());
        assert_eq!(take(&mut body, 1), b"4567");
        assert!(!body.can_replay());
        assert!(holds_no_copy(&body));
    }

    #[test]
    fn a_body_at_the_limit_is_kept_whole() {
        let mut body = body(&[b"0123", b"4567"], 8);
        assert_eq!(take(&mut body, 2), b"01234567");
        assert!(body.can_replay());
        body.rewind();
        assert_eq!(take(&mut body, 9), b"01234567");
    }

    #[test]
    fn a_body_nobody_has_touched_can_go_to_another_endpoint_whatever_its_size() {
        let body = body(&[b"0123"], 0);
        assert!(body.can_replay());
    }

    struct Trailed(Option<FieldLines>);

    impl BodySource for Trailed {
        fn poll_frame(
            &mut self,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
            Poll::Ready(self.0.take().map(|fields| Ok(BodyFrame::Trailers(fields))))
        }
    }

    #[test]
    fn trailers_are_cleaned_before_the_first_attempt_and_come_once_with_each() {
        let received = [("x-sum", "1"), ("x-steers", "2")].into_iter();
        let received: FieldLines = received
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), value.parse().expect("it is a value"))
            })
            .collect();
        let mut body = ReplayBody::new(RequestBody::Source(Box::new(Trailed(Some(received)))), 64);
        body.clean_trailers(Box::new(|mut fields| {
            fields.retain(|name, _| name != "x-steers");
            fields
        }));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..2 {
            let Poll::Ready(Some(Ok(BodyFrame::Trailers(fields)))) = body.poll_frame(&mut cx)
            else {
                panic!("no trailers came");
            };
            assert_eq!(fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["x-sum"]);
            assert!(matches!(body.poll_frame(&mut cx), Poll::Ready(None)));
            body.rewind();
        }
    }

    #[test]
    fn what_is_kept_no_more_is_not_sent_again() {
        let mut body = body(&[b"one ", b"two"], 64);
        assert_eq!(take(&mut body, 1), b"one ");
        body.settle();
        assert!(!body.can_replay() && holds_no_copy(&body));
        assert_eq!(take(&mut body, 9), b"two");
    }
}
