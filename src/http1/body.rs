//! The content after a head.

use bytes::{Buf, Bytes, BytesMut};

use super::chunk::ChunkLine;
use super::section::BeforeColon;
use super::trailers::TrailerReader;
use super::{FieldLines, Framing, HeadLimits, Refusal, RefusalKind};

/// Takes the content of one message from a buffer, as its framing says.
///
/// It never takes a byte of what follows the message, never copies content,
/// and holds nothing back: what came in goes out, whether or not a chunk is
/// whole.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    lines: ChunkLine,
    trailer_limits: HeadLimits,
    before_colon: BeforeColon,
}

/// One step of decoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The buffer holds nothing more of use.
    NeedMore,
    /// Content, at least one byte, sharing the buffer's memory.
    Data(Bytes),
    /// The trailer section, if it has any line that may be a trailer.
    Trailers(FieldLines),
    /// The message ended. Every further step gives this again.
    End,
}

#[derive(Debug)]
enum State {
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkDataEnd,
    Trailers(TrailerReader),
    Done,
    /// Refused: the buffer may hold anything now, nothing more is read of it.
    Refused(RefusalKind),
}

impl BodyDecoder {
    /// A decoder for the content of a request, framed like this.
    /// `trailer_limits` bound the trailer section of chunked content.
    pub fn new(framing: Framing, trailer_limits: HeadLimits) -> Self {
        Self::with(framing, trailer_limits, BeforeColon::Refused)
    }

    /// The same for the content of a response, from whose trailer section
    /// whitespace before colons is removed, as from its head (RFC 9112 section
    /// 5.1).
    pub fn of_response(framing: Framing, trailer_limits: HeadLimits) -> Self {
        Self::with(framing, trailer_limits, BeforeColon::Removed)
    }

    fn with(framing: Framing, trailer_limits: HeadLimits, before_colon: BeforeColon) -> Self {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state, lines: ChunkLine::default(), trailer_limits, before_colon }
    }

    /// Takes the next piece from the front of `buf`.
    ///
    /// # Errors
    /// The content is not framed as RFC 9112 section 7.1 demands; the same
    /// refusal comes again if asked again, whatever the buffer holds then.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, Refusal> {
        let decoded = self.step(buf);
        if let Err(refusal) = &decoded {
            self.state = State::Refused(refusal.kind);
        }
        decoded
    }

    fn step(&mut self, buf: &mut BytesMut) -> Result<Decoded, Refusal> {
        loop {
            match &mut self.state {
                State::Refused(kind) => return Err((*kind).into()),
                State::Done => return Ok(Decoded::End),
                State::UntilClose if buf.is_empty() => return Ok(Decoded::NeedMore),
                State::UntilClose => return Ok(Decoded::Data(buf.split().freeze())),
                State::Length(_) | State::ChunkData(_) if buf.is_empty() => {
                    return Ok(Decoded::NeedMore);
                }
                State::Length(left) => {
                    let data = take(buf, left);
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    return Ok(Decoded::Data(data));
                }
                State::ChunkData(left) => {
                    let data = take(buf, left);
                    if *left == 0 {
                        self.state = State::ChunkDataEnd;
                    }
                    return Ok(Decoded::Data(data));
                }
                State::ChunkLine => match self.lines.read(buf)? {
                    None => return Ok(Decoded::NeedMore),
                    Some(0) => self.state = State::Trailers(TrailerReader::new(self.before_colon)),
                    Some(size) => self.state = State::ChunkData(size),
                },
                State::ChunkDataEnd => match &buf[..] {
                    [] | [b'\r'] => return Ok(Decoded::NeedMore),
                    [b'\r', b'\n', ..] => {
                        buf.advance(2);
                        self.state = State::ChunkLine;
                    }
                    _ => return Err(RefusalKind::ChunkDataNotEnded.into()),
                },
                State::Trailers(reader) => match reader.read(buf, &self.trailer_limits)? {
                    None => return Ok(Decoded::NeedMore),
                    Some(fields) => {
                        self.state = State::Done;
                        if !fields.is_empty() {
                            return Ok(Decoded::Trailers(fields));
                        }
                    }
                },
            }
        }
    }

    /// Whether the whole message was taken. True right after the last
    /// [`Decoded::Data`] of a known length and after [`Decoded::Trailers`].
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Told that no further byte will come, with nothing left in the buffer.
    ///
    /// # Errors
    /// [`RefusalKind::Truncated`] if the message is not whole; content that
    /// runs until the connection closes always is.
    pub fn eof(&mut self) -> Result<(), Refusal> {
        match self.state {
            State::Done => Ok(()),
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(RefusalKind::Truncated.into()),
        }
    }
}

fn take(buf: &mut BytesMut, left: &mut u64) -> Bytes {
    // A length beyond the address space is never reached by a buffer.
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let data = buf.split_to(buf.len().min(wanted)).freeze();
    *left -= data.len() as u64;
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 16 };

    struct Whole {
        data: Vec<u8>,
        trailers: Option<FieldLines>,
        rest: BytesMut,
        ended: bool,
    }

    #[test]
    fn a_refusal_stands_even_if_the_buffer_was_emptied() {
        for body in ["0\r\na: b\r\nx y: z\r\n\r\n", "0\r\nContent-Length: 1\r\n\r\n", "zz\r\n"] {
            let mut decoder = BodyDecoder::new(Framing::Chunked, LIMITS);
            let mut bytes = BytesMut::from(body);
            let refusal = decoder.decode(&mut bytes).unwrap_err();
            bytes.clear();
            assert_eq!(decoder.decode(&mut bytes).unwrap_err().kind, refusal.kind, "{body:?}");
            assert!(!decoder.is_done());
            assert!(decoder.eof().is_err());
        }
    }

    fn decode(framing: Framing, bytes: &[u8]) -> Result<Whole, RefusalKind> {
        let mut decoder = BodyDecoder::new(framing, LIMITS);
        let mut rest = BytesMut::from(bytes);
        let (mut data, mut trailers) = (Vec::new(), None);
        loop {
            match decoder.decode(&mut rest).map_err(|refusal| refusal.kind)? {
                Decoded::Data(piece) => {
                    assert!(!piece.is_empty());
                    data.extend_from_slice(&piece);
                }
                Decoded::Trailers(fields) => trailers = Some(fields),
                Decoded::NeedMore => return Ok(Whole { data, trailers, rest, ended: false }),
                Decoded::End => return Ok(Whole { data, trailers, rest, ended: true }),
            }
        }
    }

    #[test]
    fn a_length_is_taken_exactly_and_what_follows_is_left() {
        let body = decode(Framing::Length(5), b"helloGET /").unwrap();
        assert!(body.ended);
        assert_eq!((body.data.as_slice(), &body.rest[..]), (&b"hello"[..], &b"GET /"[..]));
        assert!(!decode(Framing::Length(6), b"hello").unwrap().ended);
    }

    #[test]
    fn nothing_is_taken_where_there_is_no_content() {
        for framing in [Framing::None, Framing::Length(0)] {
            let body = decode(framing, b"GET").unwrap();
            assert!(body.ended && body.data.is_empty());
            assert_eq!(&body.rest[..], b"GET");
        }
    }

    #[test]
    fn chunks_are_joined_and_what_follows_is_left() {
        let body = decode(Framing::Chunked, b"3\r\nabc\r\n1;x\r\n\r\r\n0\r\n\r\nGET").unwrap();
        assert!(body.ended && body.trailers.is_none());
        assert_eq!((body.data.as_slice(), &body.rest[..]), (&b"abc\r"[..], &b"GET"[..]));
    }

    #[test]
    fn trailers_come_after_the_data_and_only_if_any_are_left() {
        let body = decode(Framing::Chunked, b"0\r\nX-Sum: 1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(body.trailers.unwrap().len(), 1);
        assert!(decode(Framing::Chunked, b"0\r\nHost: a\r\n\r\n").unwrap().trailers.is_none());
    }

    #[test]
    fn chunk_data_must_be_followed_by_cr_lf_at_once() {
        for odd in [b"1\r\nab\r\n".as_slice(), b"1\r\na\n", b"1\r\na\rb", b"1\r\na0\r\n\r\n"] {
            let refused = decode(Framing::Chunked, odd).err();
            assert_eq!(refused, Some(RefusalKind::ChunkDataNotEnded), "{odd:?}");
        }
    }

    #[test]
    fn a_refusal_repeats() {
        let mut decoder = BodyDecoder::new(Framing::Chunked, LIMITS);
        let mut buf = BytesMut::from(&b"12x\r\n"[..]);
        let first = decoder.decode(&mut buf).unwrap_err();
        assert_eq!(decoder.decode(&mut buf).unwrap_err(), first);
    }

    #[test]
    fn data_share_the_buffers_memory() {
        let mut buf = BytesMut::from(&b"5\r\nhello\r\n"[..]);
        let expected = buf[3..].as_ptr();
        let mut decoder = BodyDecoder::new(Framing::Chunked, LIMITS);
        let Ok(Decoded::Data(data)) = decoder.decode(&mut buf) else { panic!("no data") };
        assert_eq!(data.as_ptr(), expected);
    }

    #[test]
    fn an_end_of_input_is_whole_only_where_the_framing_says_so() {
        let eof = |framing, bytes: &[u8]| {
            let mut decoder = BodyDecoder::new(framing, LIMITS);
            let mut buf = BytesMut::from(bytes);
            while let Decoded::Data(_) = decoder.decode(&mut buf).unwrap() {}
            let ended = decoder.eof().map_err(|refusal| refusal.kind);
            assert_eq!(decoder.is_done(), ended.is_ok());
            ended
        };
        assert_eq!(eof(Framing::UntilClose, b"abc"), Ok(()));
        assert_eq!(eof(Framing::None, b""), Ok(()));
        assert_eq!(eof(Framing::Length(3), b"abc"), Ok(()));
        assert_eq!(eof(Framing::Length(4), b"abc"), Err(RefusalKind::Truncated));
        for cut in [b"".as_slice(), b"3", b"3\r\n", b"3\r\nabc", b"3\r\nabc\r\n", b"0\r\n"] {
            assert_eq!(eof(Framing::Chunked, cut), Err(RefusalKind::Truncated), "{cut:?}");
        }
        assert_eq!(eof(Framing::Chunked, b"0\r\n\r\n"), Ok(()));
    }
}
