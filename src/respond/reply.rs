//! What goes back to the client: one head, decided once, and its content.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::Instant;

use crate::error::Code;
use crate::http1::FieldLines;
use crate::request::{BodyFrame, Scope};
use crate::router::Sender;
use crate::transport::End;
use crate::upstream::{Answer, AnswerFailure, Tunnel};

/// A final response: the winning attempt's or one error's, never a blend.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// The endpoint's reason phrase, if it sent one.
    pub(crate) reason: Option<Bytes>,
    /// Without framing: that is the encoder's.
    pub(crate) fields: FieldLines,
    /// Bytes of content, if known before it comes.
    pub(crate) length: Option<u64>,
    /// Whether the client's connection cannot go on after it.
    pub(crate) close: bool,
    pub(crate) write_idle: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) body: ReplyBody,
}

/// The content of a reply, and the request's scope, which ends with it.
pub struct ReplyBody {
    content: Content,
    scope: Scope,
}

enum Content {
    Empty,
    Whole(Bytes),
    Answer(Box<Answer>, Sender),
    /// Behind a 101: no content, but bytes both ways.
    Tunnel(Box<Tunnel>),
}

impl ReplyBody {
    pub(crate) fn empty(scope: Scope) -> Self {
        Self { content: Content::Empty, scope }
    }

    pub(crate) fn whole(content: Bytes, scope: Scope) -> Self {
        Self { content: Content::Whole(content), scope }
    }

    pub(crate) fn answer(answer: Box<Answer>, sender: Sender, scope: Scope) -> Self {
        Self { content: Content::Answer(answer, sender), scope }
    }

    pub(crate) fn tunnel(tunnel: Box<Tunnel>, scope: Scope) -> Self {
        Self { content: Content::Tunnel(tunnel), scope }
    }

    /// Whether the connection is switched to another protocol.
    pub(crate) fn is_tunnel(&self) -> bool {
        matches!(self.content, Content::Tunnel(_))
    }

    /// Relays between `client` and the endpoint; how that ended, once it has.
    pub(crate) fn poll_tunnel(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut End<'_>,
        going_away: bool,
    ) -> Option<Result<(), Code>> {
        let Content::Tunnel(tunnel) = &mut self.content else { return Some(Err(Code::Internal)) };
        let polled = catch_unwind(AssertUnwindSafe(|| tunnel.poll(cx, client, going_away)));
        let Ok(turn) = polled else {
            self.scope.worker().metrics.panicked();
            return Some(Err(Code::Internal));
        };
        self.scope.tunnelled(turn.bytes_in, turn.bytes_out);
        turn.end
    }

    /// The next piece, `None` at the end. A panic on the way is this
    /// request's failure alone.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<BodyFrame, AnswerFailure>>> {
        let frame = match &mut self.content {
            Content::Empty | Content::Tunnel(_) => None,
            Content::Whole(content) => {
                let content = std::mem::take(content);
                self.content = Content::Empty;
                (!content.is_empty()).then_some(Ok(BodyFrame::Data(content)))
            }
            Content::Answer(answer, sender) => {
                let polled = catch_unwind(AssertUnwindSafe(|| answer.poll_frame(cx)));
                let polled = polled.unwrap_or_else(|_| {
                    self.scope.worker().metrics.panicked();
                    Poll::Ready(Some(Err(AnswerFailure::Internal)))
                });
                match ready!(polled) {
                    Some(Ok(BodyFrame::Trailers(fields))) => {
                        let fields = self.scope.clean_trailers(fields, answer.named());
                        Some(Ok(BodyFrame::Trailers(fields)))
                    }
                    Some(Err(failure)) if answer.blames_endpoint(failure) => {
                        sender.broke_off(&self.scope);
                        Some(Err(failure))
                    }
                    frame => frame,
                }
            }
        };
        match &frame {
            Some(Ok(BodyFrame::Data(data))) => self.scope.add_bytes_out(data.len() as u64),
            Some(Ok(BodyFrame::Trailers(_))) => {}
            Some(Err(failure)) => self.end_content(Some(failure.code())),
            None => self.end_content(None),
        }
        Poll::Ready(frame)
    }

    /// Whether an endpoint may still take content from the client.
    pub(crate) fn takes_upload(&self) -> bool {
        matches!(&self.content, Content::Answer(answer, _) if answer.takes_upload())
    }

    /// Keeps an unfinished upload going while no content can be taken.
    pub(crate) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), AnswerFailure> {
        match &mut self.content {
            Content::Answer(answer, _) => answer.poll_upload(cx),
            _ => Ok(()),
        }
    }

    /// The reply was written whole.
    pub(crate) fn finish(&mut self) {
        self.end_content(None);
        self.scope.finish();
    }

    /// The reply was not written whole.
    pub(crate) fn fail(&mut self, code: Code) {
        self.end_content(Some(code));
    }

    fn end_content(&mut self, failure: Option<Code>) {
        if let Content::Answer(answer, sender) = &self.content
            && answer.is_whole()
        {
            sender.delivered(&self.scope);
        }
        self.content = Content::Empty;
        if let Some(code) = failure {
            self.scope.fail(code);
        }
    }
}

impl Drop for ReplyBody {
    fn drop(&mut self) {
        self.end_content(None);
    }
}
