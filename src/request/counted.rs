//! Request content, counted into the request's record.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::request::record::Record;
use crate::request::{BodyFailure, BodyFrame, BodySource};

/// A source whose content is counted where it leaves the client's connection,
/// so that no way of ending a request can forget to tell.
pub(super) struct Counted {
    source: Box<dyn BodySource>,
    record: Arc<Record>,
}

impl Counted {
    /// Counts what comes from `source` into `record`.
    pub(super) fn new(source: Box<dyn BodySource>, record: Arc<Record>) -> Self {
        Self { source, record }
    }
}

impl BodySource for Counted {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<BodyFrame, BodyFailure>>> {
        let frame = self.source.poll_frame(cx);
        if let Poll::Ready(Some(Ok(BodyFrame::Data(data)))) = &frame {
            self.record.add_bytes_in(data.len() as u64);
        }
        frame
    }

    fn set_pace(&mut self, idle: Option<Duration>, min_rate: Option<u64>) {
        self.source.set_pace(idle, min_rate);
    }
}
