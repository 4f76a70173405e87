//! The routes of one host pattern, by path prefix.

use super::path_prefix::PathPrefix;

/// The routes of one host pattern; never empty.
///
/// Nearly every host of a platform is one app with one route for every path:
/// that one sits in the table's bucket itself. The others cost two words there.
#[derive(Debug)]
pub(super) enum PathRoutes<R> {
    /// One route, for every path.
    Root(R),
    /// Anything else.
    ByPrefix(Box<ByPrefix<R>>),
}

/// Several prefixes, or one that is not the root.
#[derive(Debug)]
pub(super) struct ByPrefix<R> {
    /// Sorted by the bytes of the prefix, each there once.
    sorted: Box<[(PathPrefix, R)]>,
    /// Bytes of the longest prefix: where looking for the longest match begins,
    /// so that the length of a path a client sends costs nothing.
    longest: usize,
}

impl<R> PathRoutes<R> {
    /// Takes the routes of one host pattern; each prefix may be there once, and
    /// is the error if it is not.
    pub(super) fn build(mut routes: Vec<(PathPrefix, usize, R)>) -> Result<Self, Twice> {
        // Stable, so that of two equal prefixes the earlier one comes first.
        routes.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        for pair in routes.windows(2) {
            if pair[0].0 == pair[1].0 {
                let (path, second) = (pair[1].0.clone(), pair[1].1);
                return Err(Twice { path, first: pair[0].1, second });
            }
        }
        if routes.len() == 1
            && let Some((_, _, route)) = routes.pop_if(|(path, ..)| *path == PathPrefix::ROOT)
        {
            return Ok(Self::Root(route));
        }
        let sorted: Box<[_]> = routes.into_iter().map(|(path, _, route)| (path, route)).collect();
        let longest = sorted.iter().map(|(path, _)| path.as_bytes().len()).max().unwrap_or(0);
        Ok(Self::ByPrefix(Box::new(ByPrefix { sorted, longest })))
    }

    /// The route with the longest prefix of whole segments of `path`.
    pub(super) fn lookup(&self, path: &[u8]) -> Option<&R> {
        match self {
            Self::Root(route) => Some(route),
            Self::ByPrefix(routes) => routes.lookup(path),
        }
    }

    /// Every route, sorted by prefix.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PathPrefix, &R)> {
        let (root, sorted) = match self {
            Self::Root(route) => (Some((PathPrefix::ROOT, route)), [].as_slice()),
            Self::ByPrefix(routes) => (None, &*routes.sorted),
        };
        root.into_iter().chain(sorted.iter().map(|(path, route)| (path.clone(), route)))
    }
}

impl<R> ByPrefix<R> {
    /// Tries the places where a prefix can end (the end of the path, and before
    /// each slash) from the right, with one binary search each.
    fn lookup(&self, path: &[u8]) -> Option<&R> {
        let mut end = path.len();
        if end > self.longest {
            end = last_slash(path, self.longest + 1)?;
        }
        loop {
            let found =
                self.sorted.binary_search_by(|(prefix, _)| prefix.as_bytes().cmp(&path[..end]));
            match found {
                Ok(at) => return Some(&self.sorted[at].1),
                Err(_) => end = last_slash(path, end)?,
            }
        }
    }
}

/// The last slash before `end`.
fn last_slash(path: &[u8], end: usize) -> Option<usize> {
    memchr::memrchr(b'/', &path[..end])
}

/// A prefix given twice for one host pattern, and which two inputs gave it.
#[derive(Debug)]
pub(super) struct Twice {
    pub(super) path: PathPrefix,
    pub(super) first: usize,
    pub(super) second: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(prefixes: &[&'static str]) -> PathRoutes<&'static str> {
        let routes = prefixes.iter().enumerate();
        let routes = routes.map(|(at, text)| (text.parse().unwrap(), at, *text)).collect();
        PathRoutes::build(routes).unwrap()
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
            assert_eq!(routes.lookup(path.as_bytes()), Some(&expected), "{path}");
        }
    }

    #[test]
    fn without_a_route_for_every_path_some_have_none() {
        let routes = routes(&["/api", "/x/y"]);
        for path in ["/", "/apix", "/x", "/x/yz", "//api", "/y/x/y", "*", ""] {
            assert_eq!(routes.lookup(path.as_bytes()), None, "{path}");
        }
        assert_eq!(routes.lookup(b"/x/y/z"), Some(&"/x/y"));
    }

    #[test]
    fn one_route_for_every_path_is_kept_in_place() {
        assert!(matches!(routes(&["/"]), PathRoutes::Root(_)));
        assert!(matches!(routes(&["/a"]), PathRoutes::ByPrefix(_)));
        assert_eq!(size_of::<PathRoutes<Box<str>>>(), 16);
    }
}
