//! The routes of one host pattern, by path prefix.

use std::sync::Arc;

use super::path_prefix::PathPrefix;
use super::trie::{Key, Slot, Trie};

/// The routes of one host pattern; never empty.
///
/// Nearly every host of a platform is one app with one route for every path:
/// that one sits in the table's leaf itself. The others cost two words there.
#[derive(Clone, Debug)]
pub(super) enum PathRoutes<R> {
    /// One route, for every path.
    Root(R),
    /// Up to [`FEW`], or one that is not for every path.
    Few(Arc<Few<R>>),
    /// More, so that a change need not copy them all.
    Many(Arc<Many<R>>),
}

/// Sorted by the bytes of the prefix, each there once.
#[derive(Clone, Debug)]
pub(super) struct Few<R>(Vec<(PathPrefix, R)>);

#[derive(Clone, Debug)]
pub(super) struct Many<R> {
    routes: Trie<PathPrefix, R>,
    /// Bytes of the longest prefix there has been: where looking for the
    /// longest match begins, so that the length of a path a client sends costs
    /// nothing.
    longest: usize,
}

/// Routes that are kept in a row; half as many are put in a row again.
const FEW: usize = 64;

/// Where a route of a host is, in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathSlot {
    /// At this place in the row; a single route is at 0.
    Row(u32),
    /// In the map.
    Map(Slot),
}

impl<R> PathRoutes<R> {
    /// The route with the longest prefix of whole segments of `path`.
    pub(super) fn lookup(&self, path: &[u8]) -> Option<(PathSlot, &R)> {
        match self {
            Self::Root(route) => Some((PathSlot::Row(0), route)),
            Self::Few(few) => {
                let longest = few.0.iter().map(|(path, _)| path.as_bytes().len()).max();
                ends(path, longest?).find_map(|end| few.find(&path[..end]))
            }
            Self::Many(many) => ends(path, many.longest).find_map(|end| {
                let (slot, route) = many.routes.find(&path[..end])?;
                Some((PathSlot::Map(slot), route))
            }),
        }
    }

    /// The route of a prefix, given by its bytes.
    pub(super) fn get(&self, prefix: &[u8]) -> Option<&R> {
        match self {
            Self::Root(route) => prefix.is_empty().then_some(route),
            Self::Few(few) => few.find(prefix).map(|(_, route)| route),
            Self::Many(many) => many.routes.get(prefix),
        }
    }

    /// The route in a slot of this version.
    pub(super) fn at(&self, slot: PathSlot) -> Option<&R> {
        match (self, slot) {
            (Self::Root(route), PathSlot::Row(0)) => Some(route),
            (Self::Few(few), PathSlot::Row(at)) => few.0.get(at as usize).map(|(_, route)| route),
            (Self::Many(many), PathSlot::Map(slot)) => many.routes.at(slot),
            _ => None,
        }
    }

    /// Every route, in no particular order.
    pub(super) fn values(&self) -> impl Iterator<Item = &R> {
        let (root, few, many) = match self {
            Self::Root(route) => (Some(route), None, None),
            Self::Few(few) => (None, Some(few.0.iter().map(|(_, route)| route)), None),
            Self::Many(many) => (None, None, Some(many.routes.iter().map(|(_, route)| route))),
        };
        root.into_iter().chain(few.into_iter().flatten()).chain(many.into_iter().flatten())
    }

    /// Every route, sorted by prefix.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PathPrefix, &R)> {
        let mut routes: Vec<(PathPrefix, &R)> = match self {
            Self::Root(route) => vec![(PathPrefix::ROOT, route)],
            Self::Few(few) => few.0.iter().map(|(path, route)| (path.clone(), route)).collect(),
            Self::Many(many) => many.routes.iter().map(|(p, route)| (p.clone(), route)).collect(),
        };
        if matches!(self, Self::Many(_)) {
            routes.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        routes.into_iter()
    }
}

impl<R: Clone> PathRoutes<R> {
    /// One route.
    pub(super) fn new(path: PathPrefix, route: R) -> Self {
        if path == PathPrefix::ROOT {
            return Self::Root(route);
        }
        Self::Few(Arc::new(Few(vec![(path, route)])))
    }

    /// Sets the route of a prefix; the one it had.
    pub(super) fn insert(&mut self, path: PathPrefix, route: R) -> Option<R> {
        match self {
            Self::Root(own) if path == PathPrefix::ROOT => Some(std::mem::replace(own, route)),
            Self::Root(own) => {
                // The root sorts before every other.
                let row = vec![(PathPrefix::ROOT, own.clone()), (path, route)];
                *self = Self::Few(Arc::new(Few(row)));
                None
            }
            Self::Few(few) => match few.position(path.as_bytes()) {
                Ok(at) => Some(std::mem::replace(&mut Arc::make_mut(few).0[at].1, route)),
                Err(at) => {
                    Arc::make_mut(few).0.insert(at, (path, route));
                    if few.0.len() > FEW {
                        *self = Self::Many(Arc::new(Many::of(few.0.iter().cloned())));
                    }
                    None
                }
            },
            Self::Many(many) => {
                let many = Arc::make_mut(many);
                many.longest = many.longest.max(path.as_bytes().len());
                many.routes.insert(path, route)
            }
        }
    }

    /// Removes a prefix; the route it had, and whether nothing is left.
    pub(super) fn remove(&mut self, prefix: &[u8]) -> Option<(R, bool)> {
        match self {
            Self::Root(route) => prefix.is_empty().then(|| (route.clone(), true)),
            Self::Few(few) => {
                let at = few.position(prefix).ok()?;
                let (_, removed) = Arc::make_mut(few).0.remove(at);
                if let [(path, route)] = &*few.0
                    && *path == PathPrefix::ROOT
                {
                    *self = Self::Root(route.clone());
                    return Some((removed, false));
                }
                Some((removed, few.0.is_empty()))
            }
            Self::Many(many) => {
                let removed = Arc::make_mut(many).routes.remove(prefix)?;
                if many.routes.len() <= FEW / 2 {
                    let row = self.iter().map(|(path, route)| (path, route.clone()));
                    *self = Self::Few(Arc::new(Few(row.collect())));
                }
                Some((removed, false))
            }
        }
    }
}

impl<R> Few<R> {
    fn position(&self, prefix: &[u8]) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.as_bytes().cmp(prefix))
    }

    fn find(&self, prefix: &[u8]) -> Option<(PathSlot, &R)> {
        let at = self.position(prefix).ok()?;
        Some((PathSlot::Row(u32::try_from(at).ok()?), &self.0[at].1))
    }
}

impl<R: Clone> Many<R> {
    fn of(row: impl Iterator<Item = (PathPrefix, R)>) -> Self {
        let mut many = Self { routes: Trie::new(), longest: 0 };
        for (path, route) in row {
            many.longest = many.longest.max(path.as_bytes().len());
            many.routes.insert(path, route);
        }
        many
    }
}

impl Key for PathPrefix {
    fn bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// The places where a prefix of at most `longest` bytes can end, from the
/// right: the end of the path, and before each slash.
fn ends(path: &[u8], longest: usize) -> impl Iterator<Item = usize> {
    let first = match path.len() {
        end if end <= longest => Some(end),
        _ => last_slash(path, longest + 1),
    };
    std::iter::successors(first, |end| last_slash(path, *end))
}

/// The last slash before `end`.
fn last_slash(path: &[u8], end: usize) -> Option<usize> {
    memchr::memrchr(b'/', &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(prefixes: &[&'static str]) -> PathRoutes<&'static str> {
        let mut of = prefixes.iter().map(|text| (text.parse().unwrap(), *text));
        let (path, text) = of.next().unwrap();
        let mut routes = PathRoutes::new(path, text);
        of.for_each(|(path, text)| assert_eq!(routes.insert(path, text), None));
        routes
    }

    fn lookup(routes: &PathRoutes<&'static str>, path: &str) -> Option<&'static str> {
        let (slot, route) = routes.lookup(path.as_bytes())?;
        assert_eq!(routes.at(slot), Some(route));
        Some(*route)
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let routes = routes(&["/api", "/", "/api/v1", "/api!x", "/a%2Fb"]);
        for (path, expected) in [
            ("/", "/"),
            ("/ap", "/"),
            ("/apix", "/"),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/api/v", "/api"),
            ("/api/v1x/y", "/api"),
            ("/api/v1", "/api/v1"),
            ("/api/v1/", "/api/v1"),
            ("/api/v1/deep/down", "/api/v1"),
            ("/api!x/y", "/api!x"),
            ("/api//v1", "/api"),
            ("//api", "/"),
            ("/a/b", "/"),
            ("/a%2Fb/c", "/a%2Fb"),
        ] {
            assert_eq!(lookup(&routes, path), Some(expected), "{path}");
        }
    }

    #[test]
    fn without_a_route_for_every_path_some_have_none() {
        let routes = routes(&["/api", "/x/y"]);
        for path in ["/", "/apix", "/x", "/x/yz", "//api", "/y/x/y", "*", ""] {
            assert_eq!(lookup(&routes, path), None, "{path}");
        }
        assert_eq!(lookup(&routes, "/x/y/z"), Some("/x/y"));
    }

    #[test]
    fn one_route_for_every_path_is_kept_in_place() {
        assert!(matches!(routes(&["/"]), PathRoutes::Root(_)));
        assert!(matches!(routes(&["/a"]), PathRoutes::Few(_)));
        let mut routes = routes(&["/", "/a"]);
        assert_eq!(routes.remove(b"/a"), Some(("/a", false)));
        assert!(matches!(routes, PathRoutes::Root(_)));
        assert_eq!(routes.remove(b""), Some(("/", true)));
        assert_eq!(size_of::<PathRoutes<Arc<()>>>(), 16);
    }

    #[test]
    fn many_prefixes_are_found_as_few_are_and_become_few_again() {
        let texts: Vec<&'static str> =
            (0..3 * FEW).map(|n| &*format!("/app-{n}/v1").leak()).collect();
        let mut routes = routes(&texts);
        assert!(matches!(routes, PathRoutes::Many(_)));
        assert_eq!(lookup(&routes, "/app-7/v1/deep"), Some("/app-7/v1"));
        assert_eq!(lookup(&routes, "/app-7/v2"), None);
        assert_eq!(routes.insert(PathPrefix::ROOT, "/"), None);
        assert_eq!(lookup(&routes, "/app-7/v2"), Some("/"));
        let listed: Vec<_> = routes.iter().map(|(path, _)| path).collect();
        assert!(listed.is_sorted() && listed.len() == 3 * FEW + 1);
        for text in &texts[1..] {
            assert_eq!(routes.remove(text.as_bytes()), Some((*text, false)));
        }
        assert!(matches!(routes, PathRoutes::Few(_)));
        assert_eq!(lookup(&routes, "/app-0/v1/x"), Some("/app-0/v1"));
        assert_eq!(lookup(&routes, "/app-7/v1"), Some("/"));
    }
}
