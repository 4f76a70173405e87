//! Heads at their limits and beyond (64 KiB and 128 field lines by default).

use super::case::{Bench, Case, get, request, seen, seen_get};

/// The default of `limits.request_head_bytes`.
const HEAD_BYTES: usize = 64 << 10;

#[test]
fn heads_beyond_their_limits_are_refused() {
    let size = "RFC 9110 §5.4: a server that refuses MUST answer 4xx";
    let target = "RFC 9112 §3: a target longer than wished for gets 414";
    let lines = |count| "X-A: 1\r\n".repeat(count);
    let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
    let head = |bytes: usize| {
        let rest = get("X-A: \r\n").len();
        get(&format!("X-A: {}\r\n", "a".repeat(bytes - rest)))
    };
    let name = format!("{}: 1\r\n", "a".repeat(HEAD_BYTES));
    Bench::run(&[
        Case::refused("129 lines with Host", size, "request-head-too-large", get(&lines(128))),
        Case::refused("a thousand lines", size, "request-head-too-large", get(&lines(1000))),
        Case::refused("a byte too many", size, "request-head-too-large", head(HEAD_BYTES + 1)),
        Case::refused("1 MiB", size, "request-head-too-large", head(1 << 20)),
        Case::refused("a name of 64 KiB", size, "request-head-too-large", get(&name)),
        Case::refused(
            "a target of 64 KiB",
            target,
            "uri-too-long",
            request("GET", &path(HEAD_BYTES), ""),
        ),
        Case::refused(
            "a query of 1 MiB",
            target,
            "uri-too-long",
            request("GET", &format!("/?{}", "a".repeat(1 << 20)), ""),
        ),
        Case::refused(
            "a method of 1 KiB",
            "RFC 9112 §3: an unreasonably long method",
            "bad-request",
            request(&"A".repeat(1 << 10), "/", ""),
        ),
    ]);
}

#[test]
fn heads_at_their_limits_pass() {
    let lines = "x-a: 1\r\n".repeat(127);
    let rest = get("x-a: \r\n").len();
    let whole = format!("x-a: {}\r\n", "a".repeat(HEAD_BYTES - rest));
    let path = format!("/{}", "a".repeat(32 << 10));
    let cite = "design: limits.request_head_bytes, limits.request_headers";
    Bench::run(&[
        Case::forwarded("128 lines with Host", cite, get(&lines)).seen(seen_get(&lines), ""),
        Case::forwarded("64 KiB to the byte", cite, get(&whole)).seen(seen_get(&whole), ""),
        Case::forwarded(
            "a target of 32 KiB",
            "RFC 9112 §3: at least 8000",
            request("GET", &path, ""),
        )
        .seen(seen("GET", &path, "", ""), ""),
    ]);
}
