//! Which part of a long list is asked for.
//!
//! A cursor names the last item of the page before, not a position: lists
//! change between two pages, and an item that went away must not make the next
//! page skip or repeat others. Only what is on the page is made into a view.

use std::cmp::Ordering;
use std::time::Duration;

use crate::config::parse_duration;

use super::pages::bad_query;
use super::problem::Problem;

/// Items on a page unless `?limit=` says otherwise.
const DEFAULT_LIMIT: usize = 1_000;
/// Items on a page at most.
const MAX_LIMIT: usize = 10_000;

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page, if there is one: what `?after=` takes.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page of other values.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(view).collect(), next: self.next }
    }

    /// The first `limit` items in the list's order.
    fn first(
        items: impl Iterator<Item = T>,
        limit: usize,
        order: impl Fn(&T, &T) -> Ordering,
        cursor: impl Fn(&T) -> String,
    ) -> Self {
        // Twice a page at most is kept of however long a list: whenever it is
        // full the later half goes, which is linear in the list altogether.
        let room = 2 * (limit + 1);
        let (mut page, mut more) = (Vec::new(), false);
        let mut cut = |page: &mut Vec<T>| {
            if page.len() > limit {
                more = true;
                page.select_nth_unstable_by(limit, &order);
                page.truncate(limit);
            }
        };
        for item in items {
            if page.len() == room {
                cut(&mut page);
            }
            page.push(item);
        }
        cut(&mut page);
        let mut items = page;
        items.sort_unstable_by(&order);
        let next = items.last().filter(|_| more).map(cursor);
        Self { items, next }
    }
}

/// Which routes are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteFilter {
    /// Only routes of this host or pattern, in lower case.
    pub host: Option<String>,
    /// Only routes behind this `(host, path)`.
    pub after: Option<(String, String)>,
    /// How many at most; at least 1.
    pub limit: usize,
}

impl RouteFilter {
    /// The page asked for, by host and then path. `key` gives an item's
    /// `(host, path)`.
    pub fn select<R>(
        &self,
        routes: impl IntoIterator<Item = R>,
        key: impl Fn(&R) -> (&str, &str),
    ) -> Page<R> {
        let after = self.after.as_ref().map(|(host, path)| (host.as_str(), path.as_str()));
        let wanted = routes.into_iter().filter(|route| {
            let (host, path) = key(route);
            self.host.as_deref().is_none_or(|wanted| wanted == host)
                && after.is_none_or(|after| (host, path) > after)
        });
        Page::first(
            wanted,
            self.limit,
            |a, b| key(a).cmp(&key(b)),
            |last| {
                let (host, path) = key(last);
                format!("{host}{path}")
            },
        )
    }

    /// Reads a cursor: a host has no slash, a path begins with one.
    pub(super) fn cursor(text: &str) -> Option<(String, String)> {
        let slash = text.find('/')?;
        let (host, path) = text.split_at(slash);
        Some((host.to_owned(), path.to_owned()))
    }
}

/// Which requests are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFilter {
    /// Only requests in flight for at least so long.
    pub older_than: Duration,
    /// Only requests for this host, in lower case.
    pub host: Option<String>,
    /// Only requests behind this `(started_unix_ms, id)`.
    pub after: Option<(u64, String)>,
    /// How many at most; at least 1.
    pub limit: usize,
}

impl RequestFilter {
    /// The page asked for, oldest first. `key` gives an item's
    /// `(host, started_unix_ms, id)`, `age` how long it is in flight.
    pub fn select<R>(
        &self,
        requests: impl IntoIterator<Item = R>,
        age: impl Fn(&R) -> Duration,
        key: impl Fn(&R) -> (&str, u64, &str),
    ) -> Page<R> {
        let order = |a: &R, b: &R| {
            let ((_, a_started, a_id), (_, b_started, b_id)) = (key(a), key(b));
            (a_started, a_id).cmp(&(b_started, b_id))
        };
        let wanted = requests.into_iter().filter(|request| {
            let (host, started, id) = key(request);
            let after = self.after.as_ref().map(|(started, id)| (*started, id.as_str()));
            age(request) >= self.older_than
                && self.host.as_deref().is_none_or(|wanted| wanted == host)
                && after.is_none_or(|after| (started, id) > after)
        });
        Page::first(wanted, self.limit, order, |last| {
            let (_, started, id) = key(last);
            format!("{started}-{id}")
        })
    }

    /// Reads a cursor.
    pub(super) fn cursor(text: &str) -> Option<(u64, String)> {
        let (started, id) = text.split_once('-')?;
        Some((started.parse().ok()?, id.to_owned()))
    }
}

/// Replaces a query by asterisks; that there was one stays visible.
pub(super) fn mask_query(path: &mut String) {
    if let Some(query) = path.find('?') {
        path.truncate(query + 1);
        path.push_str("***");
    }
}

/// Reads a `limit`: how many a page has at most.
pub(super) fn limit(given: Option<usize>) -> Result<usize, Problem> {
    match given.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(bad_query(format!("`limit` is a number from 1 to {MAX_LIMIT}"))),
    }
}

/// Reads an `older_than`: a duration as the configuration has them.
pub(super) fn older_than(given: Option<&str>) -> Result<Duration, Problem> {
    let wrong = |_| bad_query("`older_than` is a duration like 250ms, 30s, 5m or 1h");
    given.map_or(Ok(Duration::ZERO), |text| parse_duration(text).map_err(wrong))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_pages(limit: usize) -> Vec<(&'static str, &'static str)> {
        let routes = [("b", "/"), ("a", "/x"), ("a.b", "/"), ("a", "/"), ("a", "/x/y")];
        let mut filter = RouteFilter { host: None, after: None, limit };
        let mut all = Vec::new();
        loop {
            let page = filter.select(routes, |route| *route);
            assert!(page.items.len() <= limit);
            all.extend(page.items);
            match page.next {
                Some(next) => filter.after = Some(RouteFilter::cursor(&next).unwrap()),
                None => return all,
            }
        }
    }

    #[test]
    fn pages_of_any_size_add_up_to_the_whole_list_in_order() {
        let whole = [("a", "/"), ("a", "/x"), ("a", "/x/y"), ("a.b", "/"), ("b", "/")];
        for limit in 1..=6 {
            assert_eq!(all_pages(limit), whole, "limit {limit}");
        }
    }

    #[test]
    fn requests_come_oldest_first_and_a_cursor_outlives_its_request() {
        let requests = [("h", 30, "c"), ("h", 10, "a-b"), ("other", 5, "z"), ("h", 10, "a")];
        let mut filter = RequestFilter {
            older_than: Duration::from_millis(70),
            host: Some("h".into()),
            after: None,
            limit: 1,
        };
        let age = |request: &(&str, u64, &str)| Duration::from_millis(100 - request.1);
        let first = filter.select(requests, age, |request| *request);
        assert_eq!(first.items, [("h", 10, "a")]);
        filter.after = Some(RequestFilter::cursor(&first.next.unwrap()).unwrap());
        filter.limit = 9;
        let rest = filter.select(requests[..3].to_vec(), age, |request| *request);
        assert_eq!(rest.items, [("h", 10, "a-b"), ("h", 30, "c")]);
        filter.older_than = Duration::from_millis(71);
        let older = filter.select(requests[..3].to_vec(), age, |request| *request);
        assert_eq!(older.items, [("h", 10, "a-b")]);
    }

    #[test]
    fn a_masked_query_leaves_only_that_there_was_one() {
        for (path, masked) in [("/a?b=c&d?e", "/a?***"), ("/a", "/a"), ("/?", "/?***")] {
            let mut text = path.to_owned();
            mask_query(&mut text);
            assert_eq!(text, masked);
        }
    }

    #[test]
    fn durations_are_read_as_in_the_configuration() {
        let read = |text| older_than(text).ok();
        assert_eq!(read(None), Some(Duration::ZERO));
        assert_eq!(read(Some("1h30m")), Some(Duration::from_secs(5_400)));
        for wrong in ["", "30", "s", "-1s", "1.5s", "18446744073709551615h"] {
            assert_eq!(read(Some(wrong)), None, "{wrong}");
        }
    }
}
