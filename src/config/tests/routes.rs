//! Routes, endpoints, addresses.

use super::{ROUTE, accept, refuse, refuse_in_route};

#[test]
fn an_endpoint_is_an_ip_address_or_a_name_and_a_port() {
    refuse(&[
        (
            r#"[[route]]
host = "a.example"
endpoints = ["app.internal:0"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port in "app.internal:0" is not a number from 1 to 65535"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["app..internal:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: "app..internal" is neither an IP address nor a host name"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["app.internal:80", "App.Internal:80"]"#,
            "p:4:33: route[0].endpoints[1]: app.internal:80 stands here twice: first on line 4; give one of them a weight instead",
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port is missing in "10.0.0.1"; write "10.0.0.1:8080", for example"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["::1"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port is missing in "::1"; write "[::1]:8080", for example"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["8080"]"#,
            r#"p:4:14: route[0].endpoints[0]: the IP address is missing in "8080"; write "127.0.0.1:8080", for example"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [":8080"]"#,
            r#"p:4:14: route[0].endpoints[0]: the IP address is missing in ":8080"; write "127.0.0.1:8080", for example"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["255.255.255.255:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: 255.255.255.255 is the address of many; write that of the endpoint"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["[ff02::1]:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: ff02::1 is the address of many; write that of the endpoint"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1:0"]"#,
            r#"p:4:14: route[0].endpoints[0]: "10.0.0.1:0" has port 0; an endpoint's port is between 1 and 65535"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1:70000"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port in "10.0.0.1:70000" is not a number from 1 to 65535"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1:http"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port in "10.0.0.1:http" is not a number from 1 to 65535"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["http://10.0.0.1:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: "http://10.0.0.1:80" is a URL; an address is IP:port alone"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["::1:x:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: "::1:x" is not an IP address"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["fe80::1:18080"]"#,
            r#"p:4:14: route[0].endpoints[0]: the IPv6 address in "fe80::1:18080" is not in brackets; write "[fe80::1]:18080""#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["fe80::1:99999"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port in "fe80::1:99999" is not a number from 1 to 65535"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["1.2.3:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: "1.2.3" is not an IP address"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["app"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port is missing in "app"; write "app:8080", for example"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["0.0.0.0:80"]"#,
            r#"p:4:14: route[0].endpoints[0]: 0.0.0.0 is no address to connect to; did you mean "127.0.0.1:80"?"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [""]"#,
            r#"p:4:14: route[0].endpoints[0]: "" is not IP:port; write "10.0.0.1:8080", for example"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1:+80"]"#,
            r#"p:4:14: route[0].endpoints[0]: the port in "10.0.0.1:+80" is not a number from 1 to 65535"#,
        ),
        (
            r#"[admin]
address = "localhost:9901""#,
            r#"p:3:11: admin.address: "localhost" is a host name, not an IP address; write "127.0.0.1:9901""#,
        ),
        (
            r#"[admin]
address = ":9901""#,
            r#"p:3:11: admin.address: the IP address is missing in ":9901"; write "127.0.0.1:9901", or "0.0.0.0:9901" for every address"#,
        ),
        (
            r#"[admin]
address = "9901""#,
            r#"p:3:11: admin.address: the IP address is missing in "9901"; write "127.0.0.1:9901", for example"#,
        ),
        (
            r#"[admin]
address = "0.0.0.0:9901""#,
            "p:3:11: admin.address: an address off loopback requires token_file; add token_file, or use 127.0.0.1",
        ),
        (
            r#"[admin]
address = "[::]:9901""#,
            "p:3:11: admin.address: an address off loopback requires token_file; add token_file, or use 127.0.0.1",
        ),
        (
            r#"[admin]
address = "example.com:9901""#,
            r#"p:3:11: admin.address: "example.com" is a host name, not an IP address"#,
        ),
        (
            r#"[admin]
address = "127.0.0.1:8080""#,
            "p:3:11: admin.address: a listener has 127.0.0.1:8080 too",
        ),
        (
            r#"[admin]
token_file = """#,
            "p:3:14: admin.token_file: not the name of a file",
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1:80",
  { address = "10.0.0.1:80", weight = 2 }]"#,
            "p:5:3: route[0].endpoints[1]: 10.0.0.1:80 stands here twice: first on line 4; give one of them a weight instead",
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [{ weight = 2 }]"#,
            r#"p:4:14: route[0].endpoints[0]: address is missing; write { address = "10.0.0.1:8080" }"#,
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [{ address = "10.0.0.1:80", weight = 0 }]"#,
            "p:4:50: route[0].endpoints[0].weight: must be between 1 and 256, not 0",
        ),
        (
            r#"[[route]]
host = "a.example"
endpoints = [{ address = "10.0.0.1:80", weight = 257 }]"#,
            "p:4:50: route[0].endpoints[0].weight: must be between 1 and 256, not 257",
        ),
    ]);
}

#[test]
fn routes_and_listeners_stand_once() {
    refuse(&[
        (
            r#"[[route]]
host = "a.example"
endpoints = ["10.0.0.1:80"]
[[route]]
host = "a.example"
endpoints = ["10.0.0.1:80"]
"#,
            r#"p:5:1: route[1]: host "a.example" with path "/" is already routed on line 2, and again on line 5; put all its endpoints into one [[route]]"#,
        ),
        (
            r#"[[route]]
host = "a.example""#,
            r#"p:2:1: route[0]: endpoints is missing; write endpoints = ["10.0.0.1:8080"], or [] to answer no-endpoint"#,
        ),
    ]);
    refuse_in_route(&[
        (
            r#"path = "/api"
[[route]]
host = "A.Example."
endpoints = ["10.0.0.1:80"]
path = "/%61pi/""#,
            r#"p:6:1: route[1]: host "a.example" with path "/api" is already routed on line 2, and again on line 6; put all its endpoints into one [[route]]"#,
        ),
        (
            r#"balance = "round-robbin""#,
            r#"p:5:11: route[0].balance: "round-robbin" is not one of "round-robin", "least-requests", "hash:header:NAME", "hash:cookie:NAME", "hash:source-ip"; did you mean "round-robin"?"#,
        ),
        (
            r#"balance = "random""#,
            r#"p:5:11: route[0].balance: "random" is not one of "round-robin", "least-requests", "hash:header:NAME", "hash:cookie:NAME", "hash:source-ip""#,
        ),
        (
            r#"balance = "hash:query:id""#,
            r#"p:5:11: route[0].balance: "hash:query:id" is not a way to hash; write "hash:header:x-user", "hash:cookie:id" or "hash:source-ip""#,
        ),
        (r#"metrics = "yes""#, "p:5:11: route[0].metrics: must be true or false, not a string"),
    ]);
}

#[test]
fn a_cookies_secret_is_one_or_several_the_newest_first() {
    let secrets = |written: &str| {
        let sticky = format!("sticky = {{ cookie = \"at\", secret = {written} }}");
        let settings = accept(&format!("{ROUTE}{sticky}\n"));
        let sticky = settings.routes[0].sticky.clone().unwrap();
        let secrets = sticky.secrets.iter().map(|secret| secret.reveal().to_vec());
        secrets.map(|secret| String::from_utf8(secret).unwrap()).collect::<Vec<_>>()
    };
    let (old, new) = ("an-old-secret-of-it", "a-new-secret-of-it");
    assert_eq!(secrets(&format!("\"{old}\"")), [old]);
    assert_eq!(secrets(&format!("[\"{new}\", \"{old}\"]")), [new, old]);
    refuse_in_route(&[
        (
            "sticky = { cookie = \"at\", secret = [\"a-new-secret-of-it\", \"short\"] }",
            "p:5:59: route[0].sticky.secret[1]: must have 16 to 1024 bytes; take the output of \
             `openssl rand -hex 32`",
        ),
        (
            "sticky = { cookie = \"at\", secret = [] }",
            "p:5:36: route[0].sticky.secret: must have 1 to 8 secrets, the newest first",
        ),
    ]);
}

#[test]
fn a_path_written_as_a_pattern_of_another_router_is_a_warning() {
    let warnings = |path: &str| {
        let text = format!(
            "[[listener]]\naddress = \"127.0.0.1:80\"\n[[route]]\nhost = \"a.example\"\n\
             path = \"{path}\"\nendpoints = []\n"
        );
        let (settings, warnings) = crate::config::read(&text, "p").unwrap();
        assert_eq!(settings.routes[0].path, path, "it is taken as it stands");
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let warning = |path: &str, plain: &str| {
        format!(
            "p:5:8: route[0].path: {path:?} is matched letter by letter, not as a pattern; write \
             {plain:?} for all that is below it"
        )
    };
    for (path, plain) in
        [("/api/*", "/api"), ("/*", "/"), ("/api*/x", "/"), ("/a/:id/b", "/a"), ("/(.*)", "/")]
    {
        assert_eq!(warnings(path), [warning(path, plain)]);
    }
    for plain in ["/", "/a:b", "/a/b.c", "/a/b(1)"] {
        assert_eq!(warnings(plain), [""; 0], "{plain}");
    }
}
