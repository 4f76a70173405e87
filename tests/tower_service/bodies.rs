//! Bodies of any kind that callers may bring.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Content that is not as long as it says.
pub(crate) struct Lying {
    pub(crate) says: u64,
    pub(crate) gives: Option<Bytes>,
}

impl Body for Lying {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.gives.take().map(|gives| Ok(Frame::data(gives))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.says)
    }
}

/// A body of frames that are all there from the beginning, and of a length
/// that nobody knows.
pub(crate) struct Frames<I>(pub(crate) I);

impl<I, E> Body for Frames<I>
where
    I: Iterator<Item = Result<Frame<Bytes>, E>> + Unpin,
{
    type Data = Bytes;
    type Error = E;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
