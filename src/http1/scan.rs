//! The ends of lines, found once.

use std::ops::Range;

use super::RefusalKind;
use super::octets::first_forbidden;

/// How far a section of lines was looked through.
///
/// Every byte is looked at once, however the section is cut into reads, and
/// before anything else interprets it: `httparse` takes a bare LF for a line
/// end and would never report it.
#[derive(Debug, Default)]
pub(super) struct LineScan {
    /// Bytes known to be fine. A CR at the very end is not among them: only
    /// the next byte tells.
    checked: usize,
    line_start: usize,
    lines: usize,
}

impl LineScan {
    /// The next whole line, without its CRLF; `None` if `window`, which always
    /// begins at the same byte and only grows, holds no further one.
    pub(super) fn next_line(&mut self, window: &[u8]) -> Result<Option<Range<usize>>, RefusalKind> {
        let fresh = &window[self.checked..];
        let Some(lf) = memchr::memchr(b'\n', fresh) else {
            let sound = fresh.strip_suffix(b"\r").unwrap_or(fresh);
            refuse_forbidden(sound)?;
            self.checked += sound.len();
            return Ok(None);
        };
        let Some(sound) = fresh[..lf].strip_suffix(b"\r") else {
            refuse_forbidden(&fresh[..lf])?;
            return Err(RefusalKind::BareLf);
        };
        refuse_forbidden(sound)?;
        let line = self.line_start..self.checked + lf - 1;
        self.checked += lf + 1;
        self.line_start = self.checked;
        self.lines += 1;
        Ok(Some(line))
    }

    /// Looks for the empty line that ends a section of field lines. Gives the
    /// number of bytes from the start of the window to behind that line.
    pub(super) fn section_end(
        &mut self,
        window: &[u8],
        max_lines: usize,
    ) -> Result<Option<usize>, RefusalKind> {
        while let Some(line) = self.next_line(window)? {
            if line.is_empty() {
                return Ok(Some(self.checked));
            }
            if self.lines > max_lines {
                return Err(RefusalKind::TooManyFields);
            }
        }
        Ok(None)
    }

    /// The number of whole lines so far, the empty one too.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }
}

fn refuse_forbidden(bytes: &[u8]) -> Result<(), RefusalKind> {
    match first_forbidden(bytes) {
        None => Ok(()),
        Some(b'\r') => Err(RefusalKind::BareCr),
        Some(_) => Err(RefusalKind::ControlByte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8], step: usize) -> Result<Vec<Range<usize>>, RefusalKind> {
        let mut scan = LineScan::default();
        let mut found = Vec::new();
        let mut end = 0;
        while end < bytes.len() {
            end = (end + step).min(bytes.len());
            while let Some(line) = scan.next_line(&bytes[..end])? {
                found.push(line);
            }
        }
        Ok(found)
    }

    #[test]
    fn lines_are_found_alike_at_every_pace() {
        for step in 1..20 {
            assert_eq!(lines(b"ab\r\n\r\nc\td\r\nrest", step), Ok(vec![0..2, 4..4, 6..9]));
        }
    }

    #[test]
    fn the_first_fault_in_the_order_of_bytes_is_reported_at_every_pace() {
        let cases: &[(&[u8], RefusalKind)] = &[
            (b"ab\nc\r\n", RefusalKind::BareLf),
            (b"\n", RefusalKind::BareLf),
            (b"ab\r\n\n", RefusalKind::BareLf),
            (b"a\rb\n", RefusalKind::BareCr),
            (b"a\r\r\n", RefusalKind::BareCr),
            (b"a\0b\r\n\n", RefusalKind::ControlByte),
            (b"a\x7f\n", RefusalKind::ControlByte),
            (b"a\x1b", RefusalKind::ControlByte),
        ];
        for (bytes, fault) in cases {
            for step in 1..8 {
                assert_eq!(lines(bytes, step), Err(*fault), "{bytes:?} by {step}");
            }
        }
    }

    #[test]
    fn no_byte_is_looked_at_twice_except_a_last_cr() {
        let mut scan = LineScan::default();
        assert_eq!(scan.next_line(b"abc"), Ok(None));
        assert_eq!(scan.checked, 3);
        assert_eq!(scan.next_line(b"abc\r"), Ok(None));
        assert_eq!(scan.checked, 3);
        assert_eq!(scan.next_line(b"abc\r\n"), Ok(Some(0..3)));
        assert_eq!(scan.checked, 5);
    }
}
