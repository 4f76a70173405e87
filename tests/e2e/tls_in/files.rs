//! Files of certificates: how they are replaced, and what there is to be said
//! of them.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Site, certificate_shown, s_client, text};
use crate::harness::router::{run, write_config};
use crate::harness::tls::{Authority, Pair, listener_tls};
use crate::harness::wait::eventually;
use crate::harness::{Config, Router, ScriptedEndpoint};

/// As Kubernetes mounts a secret: names that lead through `..data`, which is
/// renamed over when the secret changes.
struct Mounted {
    directory: tempfile::TempDir,
    pair: Pair,
    versions: usize,
}

impl Mounted {
    fn new(first: &Pair) -> Self {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let file = |name: &str| directory.path().join(name);
        let pair = Pair { chain: file("tls.crt"), key: file("tls.key") };
        let mut mounted = Self { pair, directory, versions: 0 };
        mounted.replace(first);
        for file in [&mounted.pair.chain, &mounted.pair.key] {
            let name = file.file_name().expect("it has a name");
            symlink(Path::new("..data").join(name), file).expect("a link can be made");
        }
        mounted
    }

    fn replace(&mut self, by: &Pair) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        let root = self.directory.path();
        std::fs::create_dir(root.join(&version)).expect("a directory can be made");
        for (from, name) in [(&by.chain, "tls.crt"), (&by.key, "tls.key")] {
            std::fs::copy(from, root.join(&version).join(name)).expect("files can be copied");
        }
        symlink(&version, root.join("..data_tmp")).expect("a link can be made");
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).expect("it can be renamed");
    }
}

#[test]
fn a_secret_that_is_replaced_by_a_renamed_link_is_noticed() {
    let authority = Authority::new();
    let (old, new) = (authority.issue(&["a.test"]), authority.issue(&["a.test"]));
    let mut mounted = Mounted::new(&old);
    let endpoint = ScriptedEndpoint::echo("app");
    let config =
        Config::new().listener_with(&listener_tls(&mounted.pair)).route("*", &[endpoint.address()]);
    let site = Site { router: Router::start(&config), authority, endpoint };
    let shown = || certificate_shown(&site, &["-servername", "a.test"]);
    let before = shown();
    mounted.replace(&new);
    eventually("the new certificate", || (shown() != before).then_some(()));
}

#[test]
fn one_bad_pair_among_several_keeps_the_good_ones_as_they_are_too() {
    let authority = Authority::new();
    let [one, other, spare] = ["a.test", "b.test", "c.test"].map(|name| authority.issue(&[name]));
    let both = [&one, &other].map(Pair::toml).join(", ");
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .listener_with(&format!("tls = {{ certificates = [{both}] }}"))
        .route("*", &[endpoint.address()]);
    let site = Site { router: Router::start(&config), authority, endpoint };
    let shown = || ["a.test", "b.test"].map(|n| certificate_shown(&site, &["-servername", n]));
    let before = shown();
    let refusals = || {
        let said = site.router.stderr();
        assert!(!said.contains("reloaded"), "{said}");
        said.matches("is not the key of the certificate in").count()
    };
    std::fs::rename(&spare.key, &other.key).expect("a file can be renamed");
    eventually("the refusal", || (refusals() > 0).then_some(()));
    let refused = refusals();
    site.authority.reissue(&one, &["a.test"]);
    eventually("another refusal", || (refusals() > refused).then_some(()));
    assert_eq!(shown(), before);
    assert!(site.router.stderr().contains("listener[0].tls.certificates[1].key"));
    // Whole again, both are taken up.
    site.authority.reissue(&other, &["b.test"]);
    eventually("the new certificates", || {
        shown().iter().zip(&before).all(|(now, old)| now != old).then_some(())
    });
}

#[test]
fn a_certificate_that_has_expired_or_soon_will_is_a_warning_at_its_key() {
    let authority = Authority::new();
    let expired = authority.issue(&["old.test"]);
    authority.reissue_as(&expired, &["old.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let soon = authority.issue(&["a.test"]);
    authority.reissue_as(&soon, &["a.test"], |params| {
        params.not_after = (SystemTime::now() + Duration::from_secs(24 * 60 * 60)).into();
    });
    let both = [&soon, &expired].map(Pair::toml).join(", ");
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .listener_with(&format!("tls = {{ certificates = [{both}] }}"))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    for (complaint, key) in [
        ("the certificate expires within 7 days", "listener[0].tls.certificates[0].chain"),
        ("the certificate has expired", "listener[0].tls.certificates[1].chain"),
    ] {
        eventually(complaint, || {
            let said = router.stderr();
            said.lines().any(|line| line.contains(complaint) && line.contains(key)).then_some(())
        });
    }
    let said = text(&s_client(router.address(), &authority, &["-servername", "a.test"]));
    assert!(said.contains("200 OK"), "{said}");
}

/// What `check` warns of, without the lines of the file.
fn warnings(config: &Config) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = write_config(directory.path(), config);
    let file = file.to_str().expect("temporary paths are text");
    let output = run(["check", "-c", file]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    said.lines().filter_map(|line| Some(line.split_once('⚠')?.1.trim().to_owned())).collect()
}

#[test]
fn check_and_run_warn_alike_of_what_has_expired_or_is_about_another() {
    let authority = Authority::new();
    let dated = |from, to| {
        let pair = authority.issue(&["a.test"]);
        authority.reissue_as(&pair, &["a.test"], |params| {
            params.serial_number = Some(77.into());
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        });
        pair
    };
    let directory = tempfile::tempdir().expect("a directory can be made");
    let put = |name: &str, from, until| {
        let file = directory.path().join(name);
        std::fs::write(&file, response(from, until)).expect("it can be written");
        file
    };
    let past = put("past", "20200101000000Z", "20210101000000Z");
    let fresh = put("fresh", "20200101000000Z", "20400101000000Z");
    let unborn = put("unborn", "20390101000000Z", "20400101000000Z");
    let [old, early, good] = [(2020, 2021), (2039, 2040), (2020, 2040)].map(|(a, b)| dated(a, b));
    let other = authority.issue(&["a.test"]);
    let certificates = [
        old.toml(),
        early.toml_with(&format!(", ocsp = {fresh:?}")),
        good.toml_with(&format!(", ocsp = {past:?}")),
        other.toml_with(&format!(", ocsp = {fresh:?}")),
        good.toml_with(&format!(", ocsp = {unborn:?}")),
        // Said once of each file.
        old.toml(),
    ];
    let tls = format!("tls = {{ certificates = [{}] }}", certificates.join(", "));
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new().listener_with(&tls).route("*", &[endpoint.address()]);
    let of = |n: usize, key: &str, file: &std::path::Path, complaint: &str| {
        format!("listener[0].tls.certificates[{n}].{key}: {}: {complaint}", file.display())
    };
    let expected = [
        of(0, "chain", &old.chain, "the certificate has expired"),
        of(1, "chain", &early.chain, "the certificate is not valid yet"),
        of(2, "ocsp", &past, "the OCSP response is past its time and not shown"),
        of(3, "ocsp", &fresh, "the OCSP response is about another certificate and not shown"),
        of(4, "ocsp", &unborn, "the OCSP response is before its time and not shown"),
    ];
    assert_eq!(warnings(&config), expected);
    let router = Router::start(&config);
    let at = config.text().lines().position(|line| line.starts_with("tls = ")).expect("it is set");
    for warning in &expected {
        eventually(warning, || {
            let of_line = |line: &&str| line.contains(&format!(".toml:{}:", at + 1));
            let said = router.stderr();
            let lines = said.lines().filter(of_line).filter(|line| line.contains("WARN"));
            (lines.filter(|line| line.contains(warning)).count() == 1).then_some(())
        });
    }
}

/// Tag, length and content (X.690 section 8.1).
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    [&[tag, 0x82][..], &length, &content].concat()
}

/// A response that says of serial number 77 that it is good, from then to then.
fn response(this_update: &str, next_update: &str) -> Vec<u8> {
    const SHA1: &[u8] = &[0x2b, 0x0e, 3, 2, 0x1a];
    const BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let hash = der(0x04, &[&[1; 20]]);
    let id = der(0x30, &[&der(0x30, &[&der(0x06, &[SHA1])]), &hash, &hash, &der(0x02, &[&[77]])]);
    let made = der(0x18, &[this_update.as_bytes()]);
    let next = der(0xa0, &[&der(0x18, &[next_update.as_bytes()])]);
    let single = der(0x30, &[&id, &der(0x80, &[]), &made, &next]);
    let data = der(0x30, &[&der(0xa2, &[&hash]), &made, &der(0x30, &[&single])]);
    let algorithm = der(0x30, &[&der(0x06, &[ECDSA])]);
    let basic = der(0x30, &[&data, &algorithm, &der(0x03, &[&[0, 1, 2]])]);
    let bytes = der(0x30, &[&der(0x06, &[BASIC]), &der(0x04, &[&basic])]);
    der(0x30, &[&der(0x0a, &[&[0]]), &der(0xa0, &[&bytes])])
}

#[test]
fn an_ocsp_response_is_shown_while_it_is_good_and_taken_up_when_replaced() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("ocsp.der");
    let put = |bytes: &[u8]| {
        let new = directory.path().join("new");
        std::fs::write(&new, bytes).expect("it can be written");
        std::fs::rename(&new, &file).expect("it can be renamed");
    };
    put(&response("20200101000000Z", "20210101000000Z"));
    let pair = authority.issue(&["a.test"]);
    authority.reissue_as(&pair, &["a.test"], |params| params.serial_number = Some(77.into()));
    let listed = pair.toml_with(&format!(", ocsp = {file:?}"));
    let endpoint = ScriptedEndpoint::echo("app");
    let config = Config::new()
        .listener_with(&format!("tls = {{ certificates = [{listed}] }}"))
        .route("*", &[endpoint.address()]);
    let router = Router::start(&config);
    let ask = || {
        let arguments = ["-servername", "a.test", "-status"];
        let said = text(&s_client(router.address(), &authority, &arguments));
        assert!(said.contains("200 OK"), "{said}");
        said
    };
    let complained = |when: &str| {
        let complaint = format!("the OCSP response is {when} its time and not shown");
        eventually(&complaint, || router.stderr().contains(&complaint).then_some(()));
        let shown = ask();
        assert!(shown.contains("OCSP response: no response sent"), "{when}: {shown}");
    };
    complained("past");
    put(&response("20390101000000Z", "20400101000000Z"));
    complained("before");
    put(&response("20200101000000Z", "20400101000000Z"));
    eventually("the new response", || {
        ask().contains("Next Update: Jan  1 00:00:00 2040").then_some(())
    });
    // What is no response changes nothing, and says where.
    put(b"nothing of the kind");
    eventually("the report", || {
        let said = router.stderr();
        let named = said.contains("listener[0].tls.certificates[0].ocsp");
        (named && said.contains("is no successful OCSP response")).then_some(())
    });
    assert!(ask().contains("Next Update: Jan  1 00:00:00 2040"));
    // Another certificate is no reason to refuse it; the response waits.
    put(&response("20200101000000Z", "20400101000000Z"));
    let before = router.stderr().len();
    authority.reissue(&pair, &["a.test"]);
    eventually("the warning", || {
        let said = router.stderr();
        said[before..].contains("is about another certificate and not shown").then_some(())
    });
    eventually("no response", || ask().contains("OCSP response: no response sent").then_some(()));
}
