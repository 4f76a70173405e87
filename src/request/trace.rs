//! The trace a request belongs to, as its `traceparent` has it
//! (W3C Trace Context, level 1, section 3.2).
//!
//! The field passes through to the endpoint as it is; the router reads it only
//! to name the trace in its log. One that cannot be read names none.

/// The length of version `00`, and the least length of any later one.
const LENGTH: usize = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".len();

/// The trace id, 32 digits of lower-case hexadecimal.
pub(crate) fn trace_id(traceparent: &[u8]) -> Option<&str> {
    let (known, rest) = traceparent.split_at_checked(LENGTH)?;
    let mut parts = known.split(|byte| *byte == b'-');
    let (version, trace) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
    let (parent, _flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
    // A later version may say more, behind a dash; ff is no version.
    let ends_well = match version {
        "00" => rest.is_empty(),
        "ff" => false,
        _ => rest.first().is_none_or(|byte| *byte == b'-'),
    };
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    (ends_well && !is_zero(trace) && !is_zero(parent)).then_some(trace)
}

fn hex(digits: &[u8], length: usize) -> Option<&str> {
    let lower = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != length || !digits.iter().all(lower) {
        return None;
    }
    std::str::from_utf8(digits).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn the_trace_is_read_from_this_version_and_from_later_ones() {
        for traceparent in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-and-more",
        ] {
            assert_eq!(trace_id(traceparent.as_bytes()), Some(TRACE), "{traceparent}");
        }
    }

    #[test]
    fn what_is_no_traceparent_names_no_trace() {
        for traceparent in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-and-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-011",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e\u{e9}\u{e9}-00f067aa0ba902b7-01",
        ] {
            assert_eq!(trace_id(traceparent.as_bytes()), None, "{traceparent}");
        }
    }
}
