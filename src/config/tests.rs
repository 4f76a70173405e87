//! What is refused, with the very line it is refused with; what is accepted,
//! with the very values; and that no text makes the reader panic.

use super::{Settings, parse};

mod accepted;
mod adaptive;
mod headers;
mod health_checks;
mod names;
mod names_of_servers;
mod places;
mod properties;
mod registry;
mod routes;
mod sticky;
mod tls;
mod values;

/// The first line of the files below, so that only the rest is at fault.
const LISTENER: &str = "listener = [{ address = \"127.0.0.1:8080\" }]\n";
/// Three lines more, to which a case adds a key on line 5.
const ROUTE: &str = "[[route]]\nhost = \"a.example\"\nendpoints = [\"10.0.0.1:80\"]\n";

/// Each text, as a whole file, gives exactly these lines.
#[track_caller]
fn refuse_whole(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let lines = match parse(text, "p") {
            Ok(settings) => panic!("accepted:\n{text}\n{settings:#?}"),
            Err(diagnostics) => diagnostics.to_string(),
        };
        assert_eq!(&lines, expected, "\n{text}");
    }
}

/// Each text, from line 2 on, gives exactly these lines.
#[track_caller]
fn refuse(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        refuse_whole(&[(&format!("{LISTENER}{text}"), expected)]);
    }
}

/// Each text, on line 5 and in a route, gives exactly these lines.
#[track_caller]
fn refuse_in_route(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        refuse(&[(&format!("{ROUTE}{text}"), expected)]);
    }
}

/// The settings of a text that has everything but its listener.
#[track_caller]
fn accept(text: &str) -> Settings {
    match parse(&format!("{LISTENER}{text}"), "p") {
        Ok(settings) => settings,
        Err(diagnostics) => panic!("refused:\n{text}\n{diagnostics}"),
    }
}
