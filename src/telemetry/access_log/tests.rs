//! Lines of hostile requests, and sinks that are slow, broken or moved away.

use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime};

use super::sink::Sink;
use super::*;
use crate::config::{AccessLogFormat, AccessLogSettings, AccessLogTarget};
use crate::error::Code;

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn record(target: &[u8]) -> AccessRecord<'_> {
    AccessRecord {
        time: SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000_000_042),
        request_id: b"0190-1",
        client: ([192, 0, 2, 7], 40_000).into(),
        method: Some(b"GET"),
        host: Some(b"shop.example"),
        target: Some(target),
        version: Some("HTTP/1.1"),
        status: Some(502),
        code: Some(Code::UpstreamReset),
        route: Some("shop.example/api"),
        endpoint: Some(([10, 0, 0, 1], 8080).into()),
        attempts: 2,
        bytes_in: 5,
        bytes_out: 100,
        duration: Duration::from_micros(12_034),
        head: Some(Duration::from_micros(900)),
        queue: None,
        user_agent: Some(b"curl/8"),
        referer: None,
        tls: None,
        trace_id: None,
    }
}

fn json(record: &AccessRecord<'_>) -> (Vec<u8>, serde_json::Value) {
    let mut line = Vec::new();
    super::json::push_line(&mut line, record);
    let value = serde_json::from_slice(&line).expect("a line is JSON");
    (line, value)
}

#[test]
fn the_json_line_has_every_field_of_the_contract_in_its_order() {
    let (line, value) = json(&record(b"/a/b?token=secret"));
    let expected = concat!(
        r#"{"time":"2001-09-09T01:46:40.042Z","request_id":"0190-1","client":"192.0.2.7:40000","#,
        r#""method":"GET","host":"shop.example","path":"/a/b","version":"HTTP/1.1","status":502,"#,
        r#""code":"upstream-reset","route":"shop.example/api","endpoint":"10.0.0.1:8080","#,
        r#""attempts":2,"bytes_in":5,"bytes_out":100,"duration_ms":12.034,"head_ms":0.900,"#,
        r#""queue_ms":null,"user_agent":"curl/8","referer":null,"tls":null,"trace_id":null}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
    assert_eq!(value["duration_ms"], 12.034);
}

#[test]
fn no_query_string_reaches_the_log_not_even_by_the_referer() {
    let mut hostile = record(b"/a?session=s3cret");
    hostile.referer = Some(b"https://shop.example/login?password=s3cret#x");
    let (line, value) = json(&hostile);
    assert!(!line.windows(6).any(|bytes| bytes == b"s3cret"));
    assert_eq!(value["referer"], "https://shop.example/login");
    let mut line = Vec::new();
    super::common::push_line(&mut line, &hostile);
    assert!(!line.windows(6).any(|bytes| bytes == b"s3cret"));
}

#[test]
fn a_fragment_is_kept_from_the_log_like_a_query() {
    // Nobody should send one (RFC 9110 section 4.2.4), and single-page apps
    // carry tokens in theirs.
    let mut hostile = record(b"/a#token=s3cret");
    hostile.referer = Some(b"https://shop.example/login#token=s3cret");
    let (line, value) = json(&hostile);
    assert!(!line.windows(6).any(|bytes| bytes == b"s3cret"));
    assert_eq!(
        (&value["path"], &value["referer"]),
        (&"/a".into(), &"https://shop.example/login".into())
    );
    let mut line = Vec::new();
    super::common::push_line(&mut line, &hostile);
    assert!(!line.windows(6).any(|bytes| bytes == b"s3cret"));
}

#[test]
fn every_byte_there_is_gives_one_line_of_json_without_control_characters() {
    let all: Vec<u8> = (0..=255).filter(|byte| !matches!(byte, b'?' | b'#')).collect();
    let unicode = "\u{85}\u{9b}31m\u{2028}\u{2029}\u{7f}é🚦".as_bytes();
    for bytes in [all.as_slice(), unicode] {
        let mut hostile = record(bytes);
        hostile.user_agent = Some(bytes);
        hostile.host = Some(bytes);
        hostile.method = Some(bytes);
        hostile.request_id = bytes;
        let (line, _) = json(&hostile);
        let text = std::str::from_utf8(&line).expect("a line is UTF-8");
        let body = text.strip_suffix('\n').unwrap();
        assert!(!body.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')));
    }
    let (_, value) = json(&record(unicode));
    assert_eq!(value["path"], std::str::from_utf8(unicode).unwrap(), "nothing valid is lost");
}

#[test]
fn the_common_log_format_is_exact_and_cannot_be_broken_out_of() {
    let mut line = Vec::new();
    super::common::push_line(&mut line, &record(b"/a\"b\\\n\xff?q"));
    let expected = concat!(
        r#"192.0.2.7 - - [09/Sep/2001:01:46:40 +0000] "GET /a\"b\\\x0a\xff HTTP/1.1" 502 100"#,
        "\n"
    );
    assert_eq!(String::from_utf8(line).unwrap(), expected);
}

#[test]
fn what_could_not_be_read_is_null_and_in_the_common_format_a_dash() {
    let line = |record: &AccessRecord<'_>| {
        let mut line = Vec::new();
        super::common::push_line(&mut line, record);
        let line = String::from_utf8(line).unwrap();
        line.split_once("] ").unwrap().1.to_owned()
    };
    let begun = AccessRecord { version: None, target: None, ..record(b"") };
    assert_eq!(line(&begun), "\"GET - -\" 502 100\n");
    let nothing = AccessRecord { method: None, host: None, bytes_out: 0, ..begun };
    assert_eq!(line(&nothing), "\"-\" 502 -\n");
    let (_, value) = json(&nothing);
    for field in ["method", "host", "path", "version"] {
        assert!(value[field].is_null(), "{field} in {value}");
    }
}

#[test]
fn a_text_of_any_length_is_cut() {
    let long = vec![b'a'; 60_000];
    let (line, value) = json(&record(&long));
    assert!(line.len() < 6_000);
    assert!(value["path"].as_str().unwrap().ends_with("aaa…"));
}

impl Sink for PipeWriter {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_nobody_reads_costs_lines_and_no_time() {
    let (mut reader, writer) = io::pipe().unwrap();
    let log = AccessLog::to(Box::new(writer), AccessLogFormat::Json, 1, &Arc::default()).unwrap();
    let handle = log.worker(0);
    const LINES: u64 = 20_000;
    let begin = Instant::now();
    for _ in 0..LINES {
        handle.write(&record(b"/"));
    }
    // A single write that waited for the pipe would wait for ever.
    assert!(begin.elapsed() < LONG);
    let dropped = log.dropped();
    assert!(dropped > 0 && dropped < LINES, "{dropped} lines of {LINES} dropped");

    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(log.shutdown(LONG), Flush::Complete);
    let text = reading.join().unwrap().unwrap();
    assert_eq!(text.lines().count() as u64, LINES - dropped, "each line is written or counted");
}

#[test]
fn a_stuck_sink_does_not_hold_up_the_shutdown() {
    let (_reader, writer) = io::pipe().unwrap();
    let log = AccessLog::to(Box::new(writer), AccessLogFormat::Json, 1, &Arc::default()).unwrap();
    let handle = log.worker(0);
    for _ in 0..10_000 {
        handle.write(&record(b"/"));
    }
    assert_eq!(log.shutdown(Duration::from_millis(20)), Flush::Cut);
}

#[test]
fn a_line_is_written_without_waiting_for_more_or_for_the_end() {
    let (reader, writer) = io::pipe().unwrap();
    let log = AccessLog::to(Box::new(writer), AccessLogFormat::Json, 2, &Arc::default()).unwrap();
    log.worker(1).write(&record(b"/now"));
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert!(line.contains("/now"));
    assert_eq!(log.shutdown(LONG), Flush::Complete);
}

/// Takes a few bytes, then fails a few times, then takes everything, and
/// shows all it took.
struct Flaky {
    taken: mpsc::Sender<Vec<u8>>,
    room: usize,
    failures: usize,
}

impl Write for Flaky {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 && self.failures > 0 {
            self.failures -= 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        let take = if self.room > 0 { bytes.len().min(self.room) } else { bytes.len() };
        self.room -= take.min(self.room);
        self.taken.send(bytes[..take].to_vec()).unwrap();
        Ok(take)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Flaky {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_half_line_in_the_old_file_is_not_closed_in_the_new_one() {
    let (taken, seen) = mpsc::channel();
    let sink = Flaky { taken, room: 10, failures: 1 };
    let log = AccessLog::to(Box::new(sink), AccessLogFormat::Json, 1, &Arc::default()).unwrap();
    let handle = log.worker(0);
    handle.write(&record(b"/lost"));
    assert_eq!(seen.recv_timeout(LONG).unwrap().len(), 10);
    let waiting = Instant::now();
    while log.dropped() == 0 {
        assert!(waiting.elapsed() < LONG, "the lost line is never counted");
        std::thread::yield_now();
    }
    log.reopen();
    handle.write(&record(b"/kept"));
    assert_eq!(log.shutdown(LONG), Flush::Complete);
    let text = String::from_utf8(seen.iter().flatten().collect()).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["path"], "/kept");
    assert!(text.starts_with('{'), "{text}");
}

#[test]
fn a_full_disk_costs_the_lines_it_met_and_later_lines_stand_alone() {
    let (taken, seen) = mpsc::channel();
    let sink = Flaky { taken, room: 10, failures: 1 };
    let log = AccessLog::to(Box::new(sink), AccessLogFormat::Json, 1, &Arc::default()).unwrap();
    let handle = log.worker(0);
    handle.write(&record(b"/lost"));
    assert_eq!(seen.recv_timeout(LONG).unwrap().len(), 10);
    let waiting = Instant::now();
    while log.dropped() == 0 {
        assert!(waiting.elapsed() < LONG, "the lost line is never counted");
        std::thread::yield_now();
    }
    handle.write(&record(b"/kept"));
    assert_eq!(log.shutdown(LONG), Flush::Complete);
    let text = String::from_utf8(seen.iter().flatten().collect()).unwrap();
    let (fragment, line) = text.split_once('\n').unwrap();
    assert_eq!(fragment, "", "the half line is closed first");
    assert_eq!(serde_json::from_str::<serde_json::Value>(line).unwrap()["path"], "/kept");
}

#[test]
fn a_file_moved_away_is_opened_again_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let settings = AccessLogSettings {
        target: AccessLogTarget::File(path.clone()),
        format: AccessLogFormat::Json,
    };
    let log = AccessLog::start(&settings, 1, &Arc::default()).unwrap();
    let moved = folder.path().join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    log.reopen();
    let waiting = Instant::now();
    while !path.exists() {
        assert!(waiting.elapsed() < LONG, "the file is never opened again");
        std::thread::yield_now();
    }
    log.worker(0).write(&record(b"/after"));
    assert_eq!(log.shutdown(LONG), Flush::Complete);
    assert_eq!(std::fs::read_to_string(&moved).unwrap(), "");
    assert!(std::fs::read_to_string(&path).unwrap().contains("/after"));
}

#[test]
fn a_log_that_is_off_has_handles_that_say_so() {
    let settings = AccessLogSettings { target: AccessLogTarget::Off, ..Default::default() };
    let log = AccessLog::start(&settings, 1, &Arc::default()).unwrap();
    assert!(!log.worker(0).enabled());
    log.worker(0).write(&record(b"/"));
    assert_eq!((log.dropped(), log.shutdown(Duration::ZERO)), (0, Flush::Complete));
}

#[test]
fn a_folder_that_is_not_there_is_an_error_at_start() {
    let target = AccessLogTarget::File("/nonexistent/access.log".into());
    let settings = AccessLogSettings { target, ..Default::default() };
    assert!(AccessLog::start(&settings, 1, &Arc::default()).is_err());
}
