//! A scrape, read by the rules of OpenMetrics 1.0 and by nothing laxer.

use std::collections::{BTreeMap, BTreeSet};

use crate::admin::ask;
use crate::harness::Router;

/// A metric's labels.
type Labels = BTreeMap<String, String>;

/// The samples of a scrape, by name and labels; shown as they came.
#[derive(Default)]
pub(crate) struct Samples {
    pub(super) values: BTreeMap<(String, Labels), f64>,
    text: String,
}

impl std::fmt::Debug for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Asks a router for its metrics and reads them strictly.
#[track_caller]
pub(crate) fn scrape(router: &Router) -> Samples {
    let answer = ask(router, "/metrics");
    assert_eq!(answer.status, 200);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.field("content-type"), kind);
    let text = String::from_utf8(answer.body).expect("OpenMetrics is UTF-8");
    let exposition = Exposition::read(&text).unwrap_or_else(|why| panic!("{why} in\n{text}"));
    Samples { values: exposition.samples, text }
}

/// The sum of the samples of `name` that carry all these labels.
pub(crate) fn sum(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> f64 {
    let carries = |carried: &Labels| {
        labels.iter().all(|(label, value)| carried.get(*label).is_some_and(|v| v == value))
    };
    let wanted = samples.values.iter().filter(|((n, carried), _)| n == name && carries(carried));
    wanted.map(|(_, value)| value).sum()
}

/// An exposition, read by the rules of OpenMetrics 1.0.
#[derive(Default)]
struct Exposition {
    samples: BTreeMap<(String, Labels), f64>,
    /// The families in their order, with their types.
    families: Vec<(String, String)>,
    described: BTreeSet<(String, String)>,
}

impl Exposition {
    fn read(text: &str) -> Result<Self, String> {
        let body = text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
        let mut read = Self::default();
        for line in body.split_terminator('\n') {
            match line.strip_prefix("# ") {
                Some(comment) => read.comment(comment)?,
                None => read.sample(line)?,
            }
        }
        read.check_histograms()?;
        Ok(read)
    }

    fn comment(&mut self, comment: &str) -> Result<(), String> {
        let mut words = comment.splitn(3, ' ');
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().ok_or(format!("{kind} says nothing: {comment}"))?;
        if !self.described.insert((kind.into(), name.into())) {
            return Err(format!("a second {kind} of {name}"));
        }
        let current = self.families.last().is_some_and(|(family, _)| family == name);
        match kind {
            "TYPE" | "HELP" | "UNIT" if !current => {
                if self.families.iter().any(|(family, _)| family == name) {
                    return Err(format!("{name} is interleaved with another family"));
                }
                self.families.push((name.into(), "unknown".into()));
            }
            "TYPE" | "HELP" | "UNIT" => {}
            _ => return Err(format!("not a comment of OpenMetrics: {comment}")),
        }
        let family = self.families.last_mut().expect("one was pushed");
        match kind {
            "TYPE" => family.1 = rest.into(),
            "UNIT" if !name.ends_with(&format!("_{rest}")) => {
                return Err(format!("{name} does not end in its unit {rest}"));
            }
            _ => {}
        }
        Ok(())
    }

    fn sample(&mut self, line: &str) -> Result<(), String> {
        let wrong = |why: &str| format!("{why}: {line:?}");
        let (series, value) = line.rsplit_once(' ').ok_or(wrong("no value"))?;
        let value: f64 = value.parse().map_err(|_| wrong("not a number"))?;
        let (name, labels) = match series.split_once('{') {
            None => (series, BTreeMap::new()),
            Some((name, rest)) => {
                let inside = rest.strip_suffix('}').ok_or(wrong("no closing brace"))?;
                (name, labels(inside).ok_or(wrong("not labels"))?)
            }
        };
        let (family, kind) = self.families.last().ok_or(wrong("no family"))?;
        let suffix = name.strip_prefix(family.as_str()).ok_or(wrong("outside its family"))?;
        let suffixes: &[&str] = match kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => return Err(wrong("its family has no type")),
        };
        if !suffixes.contains(&suffix) {
            return Err(wrong("not a name for its type"));
        }
        if kind != "gauge" && !(value >= 0.0 && value.is_finite()) {
            return Err(wrong("not a count"));
        }
        match self.samples.insert((name.into(), labels), value) {
            Some(_) => Err(wrong("a second sample")),
            None => Ok(()),
        }
    }

    /// Buckets are cumulative, and the last is +Inf and the count.
    fn check_histograms(&self) -> Result<(), String> {
        let histograms = self.families.iter().filter(|(_, kind)| kind == "histogram");
        for (family, _) in histograms {
            let counts =
                self.samples.iter().filter(|((name, _), _)| *name == format!("{family}_count"));
            for ((_, labels), count) in counts {
                let mut buckets: Vec<(f64, f64)> = Vec::new();
                for ((name, carried), value) in &self.samples {
                    let mut others = carried.clone();
                    let Some(le) = others.remove("le") else { continue };
                    if *name == format!("{family}_bucket") && others == *labels {
                        buckets.push((le.parse().map_err(|_| "le is no number")?, *value));
                    }
                }
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                if !buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
                    return Err(format!("{family}: buckets are not cumulative"));
                }
                if buckets.last() != Some(&(f64::INFINITY, *count)) {
                    return Err(format!("{family}: the last bucket is not +Inf and the count"));
                }
            }
        }
        Ok(())
    }
}

/// `name="value"` pairs; `None` if they are not that, or a name is twice.
fn labels(mut text: &str) -> Option<Labels> {
    let mut labels = BTreeMap::new();
    loop {
        let (name, rest) = text.split_once("=\"")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) || name.starts_with(char::is_numeric) {
            return None;
        }
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    _ => return None,
                }),
                (_, char) => value.push(char),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return None;
        }
        match &rest[end + 1..] {
            "" => return Some(labels),
            more => text = more.strip_prefix(',')?,
        }
    }
}

#[test]
fn the_strict_reader_refuses_what_openmetrics_refuses() {
    let good = "# HELP a_seconds A.\n# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n\
                a_seconds{x=\"1\\\"\"} 1.5\n# TYPE b counter\nb_total 2\n# EOF\n";
    assert!(Exposition::read(good).is_ok());
    for (piece, by) in [
        ("# EOF\n", ""),
        ("b_total 2", "b 2"),
        ("b_total 2", "b_total 2\nb_total 2"),
        ("b_total 2", "b_total -2"),
        ("b_total 2", "b_total two"),
        ("b_total 2", "b_total 2\n"),
        ("b_total 2", "b_total 2\na_seconds 1"),
        ("b_total 2", "b_total 2\n# HELP a_seconds B."),
        ("# UNIT a_seconds seconds", "# UNIT a_seconds metres"),
        ("x=\"1\\\"\"", "x=\"1\\q\""),
        ("x=\"1\\\"\"", "x=\"1\",x=\"2\""),
        ("# TYPE b counter\n", ""),
    ] {
        let bad = good.replace(piece, by);
        assert!(Exposition::read(&bad).is_err(), "{bad}");
    }
}
