//! Values of the wrong type, unit or size.

use super::super::{parse, shape};
use super::{LISTENER, refuse, refuse_in_route};

#[test]
fn wrong_types_are_named() {
    refuse(&[
        (
            r#"[workers]
threads = "4""#,
            "p:3:11: workers.threads: must be a whole number, not a string; write 4 without quotes",
        ),
        (
            "[workers]\nthreads = 1.5",
            "p:3:11: workers.threads: must be a whole number, not a float",
        ),
        (
            r#"[workers]
threads = "many""#,
            "p:3:11: workers.threads: must be a whole number, not a string",
        ),
        (
            "[headers]\nvia = 1",
            "p:3:7: headers.via: must be a string, not an integer; write it in quotes",
        ),
        ("[headers]\nvia = []", "p:3:7: headers.via: must be a string, not an array"),
        (
            r#"[errors]
expose_endpoints = "true""#,
            "p:3:20: errors.expose_endpoints: must be true or false, not a string; write true without quotes",
        ),
        (
            "[errors]\nexpose_endpoints = 1",
            "p:3:20: errors.expose_endpoints: must be true or false, not an integer",
        ),
        (
            r#"[headers]
trusted_proxies = "10.0.0.0/8""#,
            r#"p:3:19: headers.trusted_proxies: must be an array, not a string; write ["10.0.0.0/8"]"#,
        ),
        (
            "[headers]\ntrusted_proxies = 1",
            "p:3:19: headers.trusted_proxies: must be an array, not an integer",
        ),
        (
            "[headers]\ntrusted_proxies = [1]",
            "p:3:20: headers.trusted_proxies[0]: must be a string, not an integer; write it in quotes",
        ),
        ("timeouts = 3", "p:2:12: timeouts: must be a table, not an integer; write [timeouts]"),
        (
            r#"[[timeouts]]
connect = "3s""#,
            "p:2:1: timeouts: must be a table, not an array; there is one: write [timeouts]",
        ),
        (
            r#"[route]
host = "a.example""#,
            "p:2:1: route: must be an array of tables, not a table; write [[route]]",
        ),
        ("route = [1]", "p:2:10: route[0]: must be a table, not an integer; write [[route]]"),
        (
            "[timeouts]\nconnect = 1979-05-27",
            r#"p:3:11: timeouts.connect: must be a duration such as "250ms", "5s" or "15m", not a date or time"#,
        ),
        (
            "[timeouts]\nconnect = 1.5",
            r#"p:3:11: timeouts.connect: must be a duration such as "250ms", "5s" or "15m", not a float"#,
        ),
        (
            "[limits]\nlinger_bytes = true",
            r#"p:3:16: limits.linger_bytes: must be a size such as 65536 or "64KiB", not a boolean"#,
        ),
        (
            "[timeouts]\nrequest_body_min_rate = true",
            r#"p:3:25: timeouts.request_body_min_rate: must be a rate such as "240B/s" or "1KiB/s", not a boolean"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [8080]"#,
            "p:4:14: route[0].endpoints[0]: must be a string, not an integer; write it in quotes",
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = "10.0.0.1:80""#,
            r#"p:4:13: route[0].endpoints: must be an array, not a string; write ["10.0.0.1:80"]"#,
        ),
    ]);
    refuse_in_route(&[
        (
            r#"request_headers = { set = ["a"] }"#,
            "p:5:27: route[0].request_headers.set: must be a table, not an array",
        ),
        ("request_headers = []", "p:5:19: route[0].request_headers: must be a table, not an array"),
        (
            r#"timeouts = "3s""#,
            "p:5:12: route[0].timeouts: must be a table, not a string; write [route.timeouts]",
        ),
    ]);
}

#[test]
fn durations_are_checked() {
    refuse(&[
        (
            "[timeouts]\nconnect = 3",
            r#"p:3:11: timeouts.connect: must be a duration such as "250ms", "5s" or "15m", not an integer; did you mean "3s"?"#,
        ),
        (
            r#"[timeouts]
connect = "3""#,
            r#"p:3:11: timeouts.connect: "3" is not a duration: the unit is missing after 3; write "3s" or "3ms""#,
        ),
        (
            r#"[timeouts]
connect = "3 s""#,
            r#"p:3:11: timeouts.connect: "3 s" is not a duration: " s" is no unit; did you mean "3s"?"#,
        ),
        (
            r#"[timeouts]
connect = "3S""#,
            r#"p:3:11: timeouts.connect: "3S" is not a duration: "S" is no unit; did you mean "3s"?"#,
        ),
        (
            r#"[timeouts]
connect = "3sec""#,
            r#"p:3:11: timeouts.connect: "3sec" is not a duration: "sec" is no unit; write a duration such as "250ms", "5s" or "15m""#,
        ),
        (
            r#"[timeouts]
connect = "1.5s""#,
            r#"p:3:11: timeouts.connect: "1.5s" is not a duration: only whole numbers can be used; write a duration such as "250ms", "5s" or "15m""#,
        ),
        (
            r#"[timeouts]
connect = "-3s""#,
            r#"p:3:11: timeouts.connect: "-3s" is not a duration: it does not begin with a whole number; write a duration such as "250ms", "5s" or "15m""#,
        ),
        (
            r#"[timeouts]
connect = """#,
            r#"p:3:11: timeouts.connect: "" is not a duration: it does not begin with a whole number; write a duration such as "250ms", "5s" or "15m""#,
        ),
        (
            r#"[timeouts]
connect = "30m1h""#,
            r#"p:3:11: timeouts.connect: "30m1h" is not a duration: its units must go from long to short, each once; write a duration such as "250ms", "5s" or "15m""#,
        ),
        (
            r#"[timeouts]
connect = "366d""#,
            r#"p:3:11: timeouts.connect: must be at most 365d, not "366d""#,
        ),
        (
            r#"[timeouts]
connect = "99999999999999999999d""#,
            r#"p:3:11: timeouts.connect: must be at most 365d, not "99999999999999999999d""#,
        ),
        (
            r#"[timeouts]
connect = "18446744073709551615d""#,
            r#"p:3:11: timeouts.connect: must be at most 365d, not "18446744073709551615d""#,
        ),
        (
            r#"[timeouts]
connect = "0s""#,
            "p:3:11: timeouts.connect: must be longer than 0s; write a longer one, such as \"1s\"",
        ),
        (
            r#"[timeouts]
drain = "0s""#,
            "p:3:9: timeouts.drain: must be longer than 0s; write a longer one, such as \"1s\"",
        ),
        (
            "[timeouts]\nconnect = -3",
            r#"p:3:11: timeouts.connect: must be a duration such as "250ms", "5s" or "15m", not an integer"#,
        ),
        (
            r#"[timeouts]
connect = "1h30""#,
            r#"p:3:11: timeouts.connect: "1h30" is not a duration: the unit is missing after 30; write a duration such as "250ms", "5s" or "15m""#,
        ),
    ]);
}

#[test]
fn off_stops_only_what_may_be_stopped() {
    refuse(&[
        (
            r#"[timeouts]
request = "off""#,
            r#"p:3:11: timeouts.request: cannot be "off" globally; set it to "off" in the [[route]] it is for"#,
        ),
        (
            r#"[timeouts]
request_body_min_rate = "off""#,
            r#"p:3:25: timeouts.request_body_min_rate: cannot be "off" globally; set it to "off" in the [[route]] it is for"#,
        ),
        (
            r#"[timeouts]
connect = "off""#,
            r#"p:3:11: timeouts.connect: cannot be "off"; choose a long duration instead"#,
        ),
        (
            r#"[timeouts]
response_write_idle = "off""#,
            r#"p:3:23: timeouts.response_write_idle: cannot be "off"; choose a long duration instead"#,
        ),
    ]);
    refuse_in_route(&[
        (
            r#"connect = "off""#,
            r#"p:5:11: route[0].connect: cannot be "off"; choose a long duration instead"#,
        ),
        (
            r#"request_write_idle = "off""#,
            r#"p:5:22: route[0].request_write_idle: cannot be "off"; choose a long duration instead"#,
        ),
        (
            r#"request = "of""#,
            r#"p:5:11: route[0].request: "of" is not a duration: it does not begin with a whole number; write a duration such as "250ms", "5s" or "15m""#,
        ),
        (
            r#"request = "5s"
timeouts = { request = "6s" }"#,
            "p:5:11: route[0].request: is set twice for this route: also on line 6",
        ),
    ]);
}

#[test]
fn sizes_rates_and_counts_are_checked() {
    refuse(&[
        (
            r#"[limits]
request_head_bytes = "64K""#,
            r#"p:3:22: limits.request_head_bytes: "64K" is not a size: "K" is no unit; did you mean "64KiB"?"#,
        ),
        (
            r#"[limits]
request_head_bytes = "64kb""#,
            r#"p:3:22: limits.request_head_bytes: "64kb" is not a size: "kb" is no unit; did you mean "64kB"?"#,
        ),
        (
            r#"[limits]
request_head_bytes = "64 KiB""#,
            r#"p:3:22: limits.request_head_bytes: "64 KiB" is not a size: " KiB" is no unit; did you mean "64KiB"?"#,
        ),
        (
            "[limits]\nrequest_head_bytes = 1",
            "p:3:22: limits.request_head_bytes: must be between 1KiB and 1MiB, not 1",
        ),
        (
            r#"[limits]
request_head_bytes = "2MiB""#,
            r#"p:3:22: limits.request_head_bytes: must be between 1KiB and 1MiB, not "2MiB""#,
        ),
        (
            r#"[limits]
request_head_bytes = "99999999999GiB""#,
            r#"p:3:22: limits.request_head_bytes: must be between 1KiB and 1MiB, not "99999999999GiB""#,
        ),
        (
            r#"[limits]
request_head_bytes = "big""#,
            r#"p:3:22: limits.request_head_bytes: "big" is not a size: it does not begin with a whole number; write a size such as 65536 or "64KiB""#,
        ),
        (
            r#"[limits]
request_head_bytes = "1.5MiB""#,
            r#"p:3:22: limits.request_head_bytes: "1.5MiB" is not a size: only whole numbers can be used; write a size such as 65536 or "64KiB""#,
        ),
        (
            "[limits]\nresponse_head_bytes = 1023",
            "p:3:23: limits.response_head_bytes: must be between 1KiB and 1MiB, not 1023",
        ),
        (
            "[limits]\nrequest_headers = 0",
            "p:3:19: limits.request_headers: must be between 1 and 1000, not 0",
        ),
        (
            "[limits]\nrequest_headers = 1001",
            "p:3:19: limits.request_headers: must be between 1 and 1000, not 1001",
        ),
        (
            "[limits]\nconnections = -1",
            "p:3:15: limits.connections: must be between 0 and 10000000, not -1",
        ),
        (
            "[limits]\nconnections = 99999999999999999999",
            "p:3:15: limits.connections: must be between 0 and 10000000, not 99999999999999999999",
        ),
        (
            "[limits]\nconnections = 0xffffffff",
            "p:3:15: limits.connections: must be between 0 and 10000000, not 0xffffffff",
        ),
        (
            "[limits]\nrequests_in_flight = 0",
            "p:3:22: limits.requests_in_flight: must be between 1 and 10000000, not 0",
        ),
        (
            r#"[limits]
replay_body_bytes = "1GiB""#,
            r#"p:3:21: limits.replay_body_bytes: must be between 0 and 64MiB, not "1GiB""#,
        ),
        (
            r#"[limits]
linger_bytes = "2GiB""#,
            r#"p:3:16: limits.linger_bytes: must be between 0 and 1GiB, not "2GiB""#,
        ),
        (
            "[limits]\ninformational = 1001",
            "p:3:17: limits.informational: must be between 0 and 1000, not 1001",
        ),
        (
            "[limits]\nrequest_body_bytes = 1125899906842625",
            "p:3:22: limits.request_body_bytes: must be between 0 and 1048576GiB, not 1125899906842625",
        ),
        (
            "[timeouts]\nrequest_body_min_rate = 240",
            r#"p:3:25: timeouts.request_body_min_rate: must be a rate such as "240B/s" or "1KiB/s", not an integer; did you mean "240B/s"?"#,
        ),
        (
            r#"[timeouts]
request_body_min_rate = "240""#,
            r#"p:3:25: timeouts.request_body_min_rate: "240" is not a rate: the unit is missing after 240; write a rate such as "240B/s" or "1KiB/s""#,
        ),
        (
            r#"[timeouts]
request_body_min_rate = "240B""#,
            r#"p:3:25: timeouts.request_body_min_rate: "240B" is not a rate: "B" is no unit; did you mean "240B/s"?"#,
        ),
        (
            r#"[timeouts]
request_body_min_rate = "240/s""#,
            r#"p:3:25: timeouts.request_body_min_rate: "240/s" is not a rate: the unit is missing after 240; write a rate such as "240B/s" or "1KiB/s""#,
        ),
        (
            r#"[timeouts]
request_body_min_rate = "0B/s""#,
            r#"p:3:25: timeouts.request_body_min_rate: must be between 1B/s and 1024GiB/s, not "0B/s""#,
        ),
        (
            r#"[timeouts]
request_body_min_rate = "fast""#,
            r#"p:3:25: timeouts.request_body_min_rate: "fast" is not a rate: it does not begin with a whole number; write a rate such as "240B/s" or "1KiB/s""#,
        ),
        ("[retry]\nattempts = 0", "p:3:12: retry.attempts: must be between 1 and 10, not 0"),
        ("[retry]\nattempts = 11", "p:3:12: retry.attempts: must be between 1 and 10, not 11"),
        (
            "[retry]\nbudget_percent = 101",
            "p:3:18: retry.budget_percent: must be between 0 and 100, not 101",
        ),
        (
            "[retry]\nbudget_min = 1000001",
            "p:3:14: retry.budget_min: must be between 0 and 1000000, not 1000001",
        ),
        (
            "[workers]\nthreads = 1025",
            "p:3:11: workers.threads: must be between 0 and 1024, not 1025",
        ),
    ]);
}

#[test]
fn what_can_be_off_says_how() {
    refuse_in_route(&[
        ("outlier = \"on\"", r#"p:5:11: route[0].outlier: must be a table or "off", not a string"#),
        (
            "outlier = { ejection = \"2m\", ejection_max = \"1m\" }",
            "p:5:45: route[0].outlier.ejection_max: ejection is longer than ejection_max; make ejection_max at least as long",
        ),
        ("outlier = false", r#"p:5:11: route[0].outlier: must be a table or "off", not a boolean"#),
        (
            "adaptive_concurrency = true",
            r#"p:5:24: route[0].adaptive_concurrency: must be a table or "off", not a boolean"#,
        ),
        (
            "outlier = { retry_after_max = \"off\" }",
            r#"p:5:31: route[0].outlier.retry_after_max: cannot be "off"; write "0s""#,
        ),
        ("slow_start = \"off\"", r#"p:5:14: route[0].slow_start: cannot be "off"; write "0s""#),
    ]);
}

#[test]
fn no_clock_is_zero_but_those_two_that_mean_something_then() {
    for clock in shape::TIMEOUTS.keys.iter().filter(|key| **key != "request_body_min_rate") {
        let text = format!("{LISTENER}[timeouts]\n{clock} = \"0s\"\n");
        let may = parse(&text, "p").is_ok();
        assert_eq!(may, matches!(*clock, "drain_delay" | "linger"), "{clock}");
    }
}
