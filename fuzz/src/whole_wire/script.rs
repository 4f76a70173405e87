//! The inputs of the whole-wire target: records, divided by the byte 0x1e,
//! each a letter and what belongs to it.
//!
//! | letter | who | does |
//! |---|---|---|
//! | `c…` | client | sends these bytes |
//! | `t…` | client | sends a request that carries the next tag: see [`tagged`] |
//! | `w` | client | waits for something from the router |
//! | `e` `X` | client | shuts its side; resets the connection |
//! | `H` | client | may shut its side before it is answered |
//! | `L…` `Z…` | client | takes only so many 64 bytes; sends and takes pieces of so many bytes |
//! | `d` | endpoint | accepts the next connection, to which what follows belongs |
//! | `r` `h` | endpoint | refuses the next connection; never answers it |
//! | `a` | endpoint | waits for something from the router |
//! | `s…` | endpoint | sends these bytes, `@` being the tag of the request it last saw |
//! | `f` `x` | endpoint | shuts its side; resets the connection |
//! | `l…` `z…` | endpoint | as `L` and `Z` |
//!
//! Peers that have nothing more to do leave their connection open.

use bytes::Bytes;
use pointsman::fuzzing::{Dial, Play, Step};

/// More records than any finding needs.
const RECORDS: usize = 60;

/// A play, and what is known of its client.
pub(crate) struct Script {
    pub(crate) client: Play,
    pub(crate) dials: Vec<Dial>,
    /// All that the client sends if it is let.
    pub(crate) sent: Vec<u8>,
    /// Whether all of its requests carry tags.
    pub(crate) tagged: bool,
    /// Whether it stays, and takes everything.
    pub(crate) stays: bool,
}

impl Script {
    /// Every input is a script.
    pub(crate) fn read(data: &[u8]) -> Self {
        let mut script = Self {
            client: Play::default(),
            dials: Vec::new(),
            sent: Vec::new(),
            tagged: !data.split(|b| *b == 0x1e).any(|record| record.first() == Some(&b'c')),
            stays: true,
        };
        let mut gone = false;
        let mut tags = b'A'..=b'P';
        for record in data.split(|byte| *byte == 0x1e).take(RECORDS) {
            let Some((letter, rest)) = record.split_first() else { continue };
            let number = rest.first().map_or(1, |byte| usize::from(*byte));
            match letter {
                b'c' | b't' | b'w' | b'e' | b'X' if gone => {}
                b'c' => script.send(rest.to_vec()),
                b't' => script.send(tags.next().map(|tag| tagged(tag, rest)).unwrap_or_default()),
                b'w' => script.client.steps.push(Step::Await),
                b'e' | b'X' => {
                    gone = true;
                    script.stays = false;
                    if *letter == b'X' {
                        script.client.steps.push(Step::Reset);
                    }
                }
                b'L' => {
                    script.stays = false;
                    script.client.takes = Some(number * 64);
                }
                b'H' => script.client.half_close_allowed = true,
                b'Z' => script.client.piece = number,
                b'd' => script.dials.push(Dial::Accepted(Play::default())),
                b'r' => script.dials.push(Dial::Refused),
                b'h' => script.dials.push(Dial::Hangs),
                _ => script.endpoint(*letter, rest, number),
            }
        }
        if !gone {
            script.client.steps.push(Step::Stall);
        }
        for dial in &mut script.dials {
            if let Dial::Accepted(play) = dial {
                end(play);
            }
        }
        script
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.sent.extend_from_slice(&bytes);
        self.client.steps.push(Step::Send(bytes.into()));
    }

    fn endpoint(&mut self, letter: u8, rest: &[u8], number: usize) {
        if !matches!(self.dials.last(), Some(Dial::Accepted(_))) {
            self.dials.push(Dial::Accepted(Play::default()));
        }
        let tagged = self.tagged;
        let Some(Dial::Accepted(play)) = self.dials.last_mut() else { return };
        match letter {
            b'a' => play.steps.push(Step::Await),
            b's' if tagged => play.steps.push(Step::Send(marks_own_only(rest))),
            b's' => play.steps.push(Step::Send(Bytes::copy_from_slice(rest))),
            b'f' => play.steps.push(FIN),
            b'x' => play.steps.push(Step::Reset),
            b'l' => play.takes = Some(number * 64),
            b'z' => play.piece = number,
            _ => {}
        }
    }
}

/// Where an endpoint's play ends in a FIN: a step that is never played, since
/// everything behind a reset is cut off.
const FIN: Step = Step::Stall;

/// Cuts a play behind its end, or leaves it open.
fn end(play: &mut Play) {
    match play.steps.iter().position(|step| *step == FIN) {
        Some(at) => play.steps.truncate(at),
        None => play.steps.push(Step::Stall),
    }
}

/// A request whose field and content are marked with `tag`. The
/// shape's bytes choose the method, the framing, the number of marks, and
/// other traits.
fn tagged(tag: u8, shape: &[u8]) -> Vec<u8> {
    let at = |index: usize| shape.get(index).copied().unwrap_or(0);
    let method = ["GET", "POST", "PUT", "HEAD", "DELETE"][usize::from(at(0)) % 5];
    let version = if at(3) & 1 == 0 { "1.1" } else { "1.0" };
    let tag = char::from(tag);
    // One with three endpoints, or one whose connections are used again.
    let (host, path) = if at(3) & 16 == 0 { ("a.test", "") } else { ("x.b.test", "/one") };
    let line = format!("{method} {path}/{tag} HTTP/{version}");
    let mut out = format!("{line}\r\nHost: {host}\r\nx-tag: {tag}\r\n");
    for (bit, line) in [(2, "Connection: close"), (4, "Connection: keep-alive")] {
        if at(3) & bit != 0 {
            out += &format!("{line}\r\n");
        }
    }
    if at(3) & 8 != 0 && version == "1.1" {
        out += "Expect: 100-continue\r\n";
    }
    if at(5) & 1 != 0 {
        out += "Connection: upgrade\r\nUpgrade: x\r\n";
    }
    let content = format!("<{tag}>").repeat(usize::from(at(2)));
    match at(1) % 3 {
        1 => out += &format!("Content-Length: {}\r\n\r\n{content}", content.len()),
        2 if version == "1.1" => {
            out += "Transfer-Encoding: chunked\r\n\r\n";
            for piece in content.as_bytes().chunks(usize::from(at(4)) * 3 + 3) {
                out += &format!("{:x}\r\n{}\r\n", piece.len(), String::from_utf8_lossy(piece));
            }
            out += "0\r\n\r\n";
        }
        _ => out += "\r\n",
    }
    out.into_bytes()
}

/// The bytes without marks of a tag that is not asked for: `<` stands before
/// `@` only.
fn marks_own_only(bytes: &[u8]) -> Bytes {
    let follows = |at: usize| bytes.get(at + 1) == Some(&b'@');
    let own = |(at, byte): (usize, &u8)| if *byte == b'<' && !follows(at) { b'(' } else { *byte };
    bytes.iter().enumerate().map(own).collect()
}
