//! The routing table against a model that looks at every route in turn.

use pointsman::request::{MatchPath, RequestHost};
use pointsman::route::{HostPattern, PathPrefix, RouteTable};

use super::input::Input;

/// Lines of a host and a path: routes up to an empty line, then questions. A
/// line of the second part that begins with `+` or `-` is no question: it puts
/// a route into the table, or takes one out.
pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let mut routes: Vec<(HostPattern, PathPrefix)> = Vec::new();
    while !input.is_empty() {
        let line = input.until(b'\n');
        if line.is_empty() {
            break;
        }
        routes.extend(route(line));
    }
    let names: Vec<_> =
        routes.iter().map(|(host, path)| (host.to_string(), path.to_string())).collect();
    let is_second = |at: usize| names[..at].contains(&names[at]);
    let numbered = routes.into_iter().enumerate().map(|(at, (host, path))| (host, path, at));
    let mut table = match RouteTable::build(numbered) {
        Ok(table) => table,
        Err(twice) => {
            // Which of several is reported is not said.
            let name = (twice.host.to_string(), twice.path.to_string());
            assert!(twice.first < twice.second, "{twice:?}");
            assert_eq!((&names[twice.first], &names[twice.second]), (&name, &name));
            return;
        }
    };
    assert!(!(0..names.len()).any(is_second), "a duplicate went unnoticed");
    assert_eq!(table.len(), names.len());
    let mut left: Vec<_> = names.into_iter().enumerate().collect();
    let mut next = left.len();
    while !input.is_empty() {
        match input.until(b'\n') {
            [b'+', line @ ..] => {
                let Some((host, path)) = route(line) else { continue };
                let name = (host.to_string(), path.to_string());
                let before = left.iter().position(|(_, own)| *own == name);
                let old = table.insert(host, path, next);
                assert_eq!(old, before.map(|at| left.swap_remove(at).0));
                left.push((next, name));
                next += 1;
            }
            [b'-', line @ ..] => {
                let Some((host, path)) = route(line) else { continue };
                let name = (host.to_string(), path.to_string());
                let before = left.iter().position(|(_, own)| *own == name);
                // Whoever holds the version before still finds it there.
                let version = table.clone();
                assert_eq!(version.get(&host, &path).is_some(), before.is_some());
                let old = table.remove(&host, &path);
                assert_eq!(version.get(&host, &path).copied(), old);
                assert_eq!(old, before.map(|at| left.swap_remove(at).0));
            }
            line => ask(&table, &left, line),
        }
        assert_eq!(table.len(), left.len());
    }
}

fn route(line: &[u8]) -> Option<(HostPattern, PathPrefix)> {
    let (host, path) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((host.parse().ok()?, path.parse().ok()?))
}

fn ask(table: &RouteTable<usize>, names: &[(usize, (String, String))], line: &[u8]) {
    let at = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (host, path) = line.split_at(at);
    let Ok(host) = RequestHost::from_authority(host) else { return };
    let Ok(path) = MatchPath::parse(path.get(1..).unwrap_or_default()) else { return };
    let (host, path) = (host.lookup(), path.matching());
    let expected = names
        .iter()
        .filter_map(|(at, name)| {
            Some(((host_rank(&name.0, host)?, path_rank(&name.1, path)?), *at))
        })
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, at)| at);
    assert_eq!(table.lookup(host, path).copied(), expected, "{host} {path:?} among {names:?}");
    let known = names.iter().any(|(_, name)| host_rank(&name.0, host).is_some());
    assert_eq!(table.has_host(host), known, "{host} among {names:?}");
}

/// How close a pattern is to a host: nothing if it is not for it.
fn host_rank(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix('*') {
        Some("") => Some(0),
        Some(dot_and_name) => host.ends_with(dot_and_name).then_some(dot_and_name.len()),
        None => (pattern == host).then_some(usize::MAX),
    }
}

/// How many segments of the path a prefix covers: nothing if it is not for it.
fn path_rank(prefix: &str, path: &[u8]) -> Option<usize> {
    let mut prefix: Vec<_> = prefix.as_bytes().split(|byte| *byte == b'/').skip(1).collect();
    prefix.pop_if(|last| last.is_empty());
    let path: Vec<_> = path.split(|byte| *byte == b'/').skip(1).collect();
    path.starts_with(&prefix).then_some(prefix.len())
}
