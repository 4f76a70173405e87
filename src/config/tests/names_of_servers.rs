//! `[dns]`, and endpoints that are names.

use super::{accept, refuse};

#[test]
fn an_endpoint_can_be_a_name() {
    let settings = accept(
        "[[route]]\nhost = \"a\"\nendpoints = [\"App.Internal:80\", \"my_app:8080\", \
         { address = \"localhost:1\", weight = 2 }, \"app.internal.:80\", \"10.0.0.1:80\"]\n",
    );
    let shown: Vec<_> =
        settings.routes[0].endpoints.iter().map(|e| e.address.to_string()).collect();
    assert_eq!(
        shown,
        ["app.internal:80", "my_app:8080", "localhost:1", "app.internal.:80", "10.0.0.1:80"]
    );
    assert_eq!(settings.routes[0].endpoints[2].weight, 2);
    let hosts = settings.routes[0].endpoints.iter().filter(|e| e.address.host().is_some());
    assert_eq!(hosts.count(), 4);
}

#[test]
fn a_name_has_at_most_253_characters() {
    let route = |characters: usize| {
        let name =
            format!("{}.{}", vec!["a".repeat(49); 4].join("."), "b".repeat(characters - 200));
        assert_eq!(name.len(), characters);
        format!("[[route]]\nhost = \"a\"\nendpoints = [\"{name}:80\"]\n")
    };
    accept(&route(253));
    let text = format!("[[listener]]\naddress = \"127.0.0.1:0\"\n{}", route(254));
    let refused = crate::config::parse(&text, "p").expect_err("it is too long").to_string();
    assert!(refused.contains("is neither an IP address nor a host name"), "{refused}");
}

#[test]
fn name_servers_have_port_53_unless_they_say_another() {
    let dns =
        accept("[dns]\nservers = [\"10.0.0.53\", \"::1\", \"127.0.0.1:5353\"]\nmin_ttl = \"5s\"\n")
            .dns;
    let servers: Vec<_> = dns.servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["10.0.0.53:53", "[::1]:53", "127.0.0.1:5353"]);
    assert_eq!(dns.terms.min_ttl.as_secs(), 5);
}

#[test]
fn bad_values_of_dns_are_refused() {
    refuse(&[
        (
            "[dns]\nservers = [\"dns.example\"]",
            r#"p:3:12: dns.servers[0]: "dns.example" is not IP:port; write "10.0.0.1:8080", for example"#,
        ),
        (
            "[dns]\nservers = [\"10.0.0.1\", \"10.0.0.1:53\"]",
            "p:3:24: dns.servers[1]: 10.0.0.1:53 stands here twice: first on line 3",
        ),
        ("[dns]\nattempts = 0", "p:3:12: dns.attempts: must be between 1 and 10, not 0"),
        ("[dns]\nmin_ttl = \"1ms\"", "p:3:11: dns.min_ttl: must be at least 10ms"),
        (
            "[dns]\nmax_ttl = \"1s\"\nmin_ttl = \"2s\"",
            "p:3:11: dns.max_ttl: max_ttl must not be below min_ttl, which is 2s",
        ),
        ("[dns]\nserver = []", r#"p:3:1: dns.server: unknown key; did you mean "servers"?"#),
    ]);
}
