//! Finding a head in a growing buffer.

use bytes::{Buf, BytesMut};
use http::{Method, StatusCode};

use super::request::RequestLine;
use super::response::StatusLine;
use super::scan::LineScan;
use super::{HeadLimits, ParsedRequest, ParsedResponse, Refusal, RefusalKind, SeenHead};

/// Reads the heads of one direction of one connection, one after the other.
///
/// It remembers how far the buffer was looked through, so a head that comes
/// byte by byte costs no more than one that comes whole. Until a head was
/// given, the buffer may only grow at its end. After a refusal neither reader
/// nor buffer is of further use.
#[derive(Debug, Default)]
pub struct HeadReader {
    scan: LineScan,
    /// Bytes of an empty line that was dropped before the request line.
    dropped: usize,
    request_line: Option<(RequestLine, usize)>,
    status_line: Option<(StatusLine, usize)>,
    /// The status of a response whose head is not whole, or was refused.
    status: Option<StatusCode>,
}

impl HeadReader {
    /// A reader at the start of a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a request head from the front of `buf`; `None` if more bytes are
    /// needed. One empty line before it is dropped (RFC 9112 section 2.2).
    ///
    /// # Errors
    /// The first fault in the order of the bytes, as soon as it can be seen;
    /// but faults in field names and in the meaning of fields only once the
    /// head is whole.
    pub fn request(
        &mut self,
        buf: &mut BytesMut,
        limits: &HeadLimits,
    ) -> Result<Option<ParsedRequest>, Refusal> {
        self.drop_empty_line(buf);
        let window = &buf[..buf.len().min(limits.bytes)];
        let (line, fields_start, end) = match self.find_request(window, limits) {
            Ok(Some(found)) => found,
            Ok(None) if buf.len() < limits.bytes => return Ok(None),
            Ok(None) if self.request_line.is_none() => {
                return Err(refused(RefusalKind::RequestLineTooLong, window, limits));
            }
            Ok(None) => return Err(refused(RefusalKind::HeadTooLong, window, limits)),
            Err(kind) => return Err(refused(kind, window, limits)),
        };
        let mut head = buf.split_to(end).freeze();
        let lines = self.scan.lines() - 2;
        let mut request = ParsedRequest::from_head(&mut head, line, fields_start, lines)
            .map_err(|kind| refused(kind, &head, limits))?;
        request.head_bytes += self.dropped;
        *self = Self::new();
        Ok(Some(request))
    }

    /// Takes a response head, of any status, from the front of `buf`; `None`
    /// if more bytes are needed. `method` is that of the request it answers.
    ///
    /// # Errors
    /// As for [`HeadReader::request`], without an account of what was seen.
    pub fn response(
        &mut self,
        buf: &mut BytesMut,
        limits: &HeadLimits,
        method: &Method,
    ) -> Result<Option<ParsedResponse>, Refusal> {
        let window = &buf[..buf.len().min(limits.bytes)];
        let Some((line, fields_start, end)) = self.find_response(window, limits)? else {
            if buf.len() < limits.bytes {
                return Ok(None);
            }
            return Err(RefusalKind::HeadTooLong.into());
        };
        let mut head = buf.split_to(end).freeze();
        let lines = self.scan.lines() - 2;
        let response = ParsedResponse::from_head(&mut head, line, fields_start, lines, method)?;
        *self = Self::new();
        Ok(Some(response))
    }

    /// The status of the final response whose head is being read or was refused,
    /// if its status line could be read.
    pub fn status(&self) -> Option<StatusCode> {
        self.status.filter(|status| !status.is_informational())
    }

    fn drop_empty_line(&mut self, buf: &mut BytesMut) {
        if self.dropped == 0 && buf.starts_with(b"\r\n") {
            buf.advance(2);
            self.dropped = 2;
        }
    }

    /// The request line, where the fields begin and where the head ends.
    fn find_request(
        &mut self,
        window: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<(RequestLine, usize, usize)>, RefusalKind> {
        let (line, fields_start) = match self.request_line.take() {
            Some(found) => found,
            None => {
                RequestLine::refuse_bad_start(window)?;
                let Some(line) = self.scan.next_line(window)? else { return Ok(None) };
                (RequestLine::parse(&window[line.clone()])?, line.end + 2)
            }
        };
        // The start line is a line of the scan too.
        if let Some(end) = self.scan.section_end(window, limits.fields.saturating_add(1))? {
            return Ok(Some((line, fields_start, end)));
        }
        self.request_line = Some((line, fields_start));
        Ok(None)
    }

    /// The status line, where the fields begin and where the head ends.
    fn find_response(
        &mut self,
        window: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<(StatusLine, usize, usize)>, RefusalKind> {
        let (line, fields_start) = match self.status_line.take() {
            Some(found) => found,
            None => {
                StatusLine::refuse_bad_start(window)?;
                let Some(line) = self.scan.next_line(window)? else { return Ok(None) };
                let parsed = StatusLine::parse(&window[line.clone()])?;
                self.status = Some(parsed.status());
                (parsed, line.end + 2)
            }
        };
        if let Some(end) = self.scan.section_end(window, limits.fields.saturating_add(1))? {
            return Ok(Some((line, fields_start, end)));
        }
        self.status_line = Some((line, fields_start));
        Ok(None)
    }
}

fn refused(kind: RefusalKind, head: &[u8], limits: &HeadLimits) -> Refusal {
    Refusal { kind, seen: Some(Box::new(SeenHead::salvage(head, limits))) }
}

#[cfg(test)]
mod tests;
