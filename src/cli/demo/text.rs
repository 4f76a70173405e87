//! What the demo prints: the commands to try, and its configuration.

use std::net::SocketAddr;

use super::apps::App;

/// Where everything listens.
pub(super) struct Addresses {
    pub(super) router: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) apps: Vec<(App, SocketAddr)>,
}

/// The demo's configuration, as a file would have it.
pub(super) fn configuration(addresses: &Addresses) -> String {
    let Addresses { router, admin, apps } = addresses;
    let endpoints = |host: &str| {
        let of_host = apps.iter().filter(|(app, _)| app.host() == host);
        let quoted: Vec<String> = of_host.map(|(_, address)| format!("\"{address}\"")).collect();
        quoted.join(", ")
    };
    format!(
        r#"[[listener]]
address = "{router}"

[admin]
address = "{admin}"

[access_log]
format = "common"

[[route]]
host = "hello.localhost"
endpoints = [{hello}]

[[route]]
host = "echo.localhost"
endpoints = [{echo}]

[[route]]
host = "moody.localhost"
endpoints = [{moody}]
attempt_head = "10s"
"#,
        hello = endpoints("hello.localhost"),
        echo = endpoints("echo.localhost"),
        moody = endpoints("moody.localhost"),
    )
}

/// A line that says why a port is not the usual one; empty if it is, or if the
/// port was asked for.
pub(super) fn moved(usual: u16, address: SocketAddr, by_default: bool) -> String {
    if !by_default || address.port() == usual {
        return String::new();
    }
    format!("port {usual} is taken, so {address} is used instead\n")
}

/// What to try, and what to expect of it.
pub(super) fn greeting(addresses: &Addresses) -> String {
    let (port, admin) = (addresses.router.port(), addresses.admin);
    let app = |name: &str, rest: &str| format!("http://{name}.localhost:{port}{rest}");
    let tries: [(&str, Vec<(String, &str)>); 4] = [
        (
            "an app of two endpoints; the field x-app says which one answered",
            vec![
                (format!("curl -i {}", app("hello", "/")), "they take turns"),
                (
                    format!("curl -i {}", app("hello", "/flaky")),
                    "the first one asked resets: retried",
                ),
                (
                    format!("curl -i {} -d x", app("hello", "/flaky")),
                    "502, for a POST is sent once",
                ),
            ],
        ),
        (
            "an app that shows what reached it",
            vec![
                (format!("curl {}", app("echo", "/any/path")), "what the router adds"),
                (format!("curl {} -d 'some content'", app("echo", "/")), ""),
            ],
        ),
        (
            "an app that misbehaves when asked to; try -H 'Accept: application/problem+json' too",
            vec![
                (format!("curl -i {}", app("moody", "/reset")), "502 upstream-reset"),
                (format!("curl -i {}", app("moody", "/garbage")), "502 upstream-protocol-error"),
                (format!("curl -i {}", app("moody", "/status/503")), "the app's own 503, as it is"),
                (format!("curl -i '{}'", app("moody", "/slow?s=5")), "200 after five seconds"),
                (format!("curl -i '{}'", app("moody", "/slow?s=15")), "504 upstream-head-timeout"),
                (
                    format!("curl -i {}", app("moody", "/truncate")),
                    "cut in the middle, and it shows",
                ),
                (format!("curl -i {}", app("moody", "/")), "the list of its moods"),
            ],
        ),
        (
            "the operator's side",
            vec![
                (format!("curl http://{admin}/health"), "ok"),
                (format!("curl http://{admin}/routes"), "routes and the state of endpoints"),
                (format!("curl http://{admin}/requests"), "what is in flight, such as /slow"),
                (format!("curl http://{admin}/errors"), "what went wrong, newest first"),
                (format!("curl -s http://{admin}/metrics | grep retries"), "retries so far"),
            ],
        ),
    ];
    let commands = tries.iter().flat_map(|(_, tries)| tries);
    let width = commands.map(|(command, _)| command.len()).max().unwrap_or(0);
    let mut text = String::from("\nThis is the configuration:\n\n");
    for line in configuration(addresses).lines() {
        let indent = if line.is_empty() { "" } else { "    " };
        text.extend([indent, line, "\n"]);
    }
    text.push_str("\nFrom another terminal, try:\n");
    for (what, tries) in &tries {
        text.extend(["\n  ", what, "\n"]);
        for (command, effect) in tries {
            let line = format!("    {command:width$}  {effect}");
            text.extend([line.trim_end(), "\n"]);
        }
    }
    text.push_str("\nCtrl-C drains and ends. The access log follows.\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Addresses {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let apps = App::ALL.into_iter().zip((40_001..).map(at)).collect();
        Addresses { router: at(8080), admin: at(9901), apps }
    }

    #[test]
    fn the_printed_configuration_is_one_that_every_app_is_reached_by() {
        let addresses = addresses();
        let settings = crate::config::parse(&configuration(&addresses), "demo").unwrap();
        for (app, address) in &addresses.apps {
            let route = settings.routes.iter().find(|route| route.host == app.host()).unwrap();
            assert!(
                route.endpoints.iter().any(|endpoint| endpoint.address == (*address).into()),
                "{app:?}"
            );
        }
    }

    #[test]
    fn a_port_that_is_not_the_usual_one_is_explained_unless_asked_for() {
        let elsewhere = SocketAddr::from(([127, 0, 0, 1], 40_000));
        assert_eq!(
            moved(8080, elsewhere, true),
            "port 8080 is taken, so 127.0.0.1:40000 is used instead\n"
        );
        assert_eq!(moved(8080, elsewhere, false), "");
        assert_eq!(moved(40_000, elsewhere, true), "");
    }

    #[test]
    fn the_greeting_fits_a_terminal_and_names_the_ports_in_use() {
        let text = greeting(&addresses());
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        assert!(text.contains("http://moody.localhost:8080/garbage"));
        assert!(text.contains("http://127.0.0.1:9901/routes"));
    }
}
