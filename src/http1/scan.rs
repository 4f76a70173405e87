//! The ends of lines, found once.
//!
//! A head nearly always comes in one read and has no byte in it that may not be
//! there. So a section is first judged as a whole, without a branch a byte;
//! only where that finds anything odd, or the section's end has not come, is it
//! looked through line by line, to say what is wrong and to remember how far.

use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::RefusalKind;
use super::octets::{first_forbidden, is_sound};

/// How far a section of lines was looked through.
///
/// However the section is cut into reads, no byte is looked through twice, and
/// none is interpreted before.
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
        // Not again for a line of which a part was looked through already.
        if self.checked == self.line_start
            && let Some(end) = self.sound_section_end(window, max_lines)
        {
            return Ok(Some(end));
        }
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

    /// The same for a section that is whole and has nothing wrong with it; if
    /// it is not so, nothing has happened.
    fn sound_section_end(&mut self, window: &[u8], max_lines: usize) -> Option<usize> {
        let rest = &window[self.line_start..];
        let lines_end = if rest.starts_with(LINE_END) {
            // No field line at all.
            0
        } else {
            SECTION_END.find(rest)? + LINE_END.len()
        };
        let section = &rest[..lines_end + LINE_END.len()];
        let lines = self.lines + memchr::memchr_iter(b'\n', section).count();
        if lines > max_lines.saturating_add(1) || !is_sound(section) {
            return None;
        }
        self.checked = self.line_start + section.len();
        self.line_start = self.checked;
        self.lines = lines;
        Some(self.checked)
    }

    /// The number of whole lines so far, the empty one too.
    pub(super) fn lines(&self) -> usize {
        self.lines
    }
}

const LINE_END: &[u8] = b"\r\n";
/// Made once: to make it costs more than to search with it.
static SECTION_END: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n\r\n"));

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
    fn a_section_ends_alike_however_it_comes_and_whatever_is_behind_it() {
        // Where it ends, and how many lines it has.
        type Outcome = Result<Option<(usize, usize)>, RefusalKind>;
        let outcome = |bytes: &[u8], step: usize| -> Outcome {
            let mut scan = LineScan::default();
            for end in (0..bytes.len()).step_by(step).chain([bytes.len()]) {
                if let Some(end) = scan.section_end(&bytes[..end], 3)? {
                    return Ok(Some((end, scan.lines())));
                }
            }
            Ok(None)
        };
        let cases: &[(&[u8], Outcome)] = &[
            (b"\r\na\0", Ok(Some((2, 1)))),
            (b"a: b\r\n\r\n\r\n\r\n", Ok(Some((8, 2)))),
            (b"a: b\r\nc: d\r\n\r\n\x01\n", Ok(Some((14, 3)))),
            (b"a\r\nb\r\nc\r\n\r\n", Ok(Some((11, 4)))),
            (b"a\r\nb\r\nc\r\nd\r\n\r\n", Err(RefusalKind::TooManyFields)),
            (b"a\r\nb\r\nc\r\nd\r\n\0\r\n\r\n", Err(RefusalKind::TooManyFields)),
            (b"a\r\nb\n\r\n\r\n", Err(RefusalKind::BareLf)),
            (b"a\rb\r\n\r\n", Err(RefusalKind::BareCr)),
            (b"\nb\r\n\r\n", Err(RefusalKind::BareLf)),
            (b"a\x7f\r\n\r\n", Err(RefusalKind::ControlByte)),
            (b"a: b\r\n\r", Ok(None)),
        ];
        for (bytes, expected) in cases {
            for step in 1..20 {
                assert_eq!(outcome(bytes, step), *expected, "{bytes:?} by {step}");
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
