//! Which routes have a label of their own.
//!
//! A platform may have 100,000 routes; a series for each would drown whoever
//! scrapes. So a name gets one of a bounded number of slots, and a request
//! carries the slot's number: counting it is an index, not a lookup.
//!
//! Counters of a live label never go backwards: a name keeps its slot for as
//! long as it has a label, and gets it back, figures included, if it returns
//! before the slot was given away. A slot is given to another name only after
//! all those that were never used, then the one retired longest ago, and its
//! figures start again at zero before the new name is shown. There are twice
//! as many slots as labels, so a request that finishes on a slot renamed
//! meanwhile must have outlived two replacements of the whole table.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Routes that have a label of their own, at most; the rest share `other`.
pub const MAX_LABELLED_ROUTES: usize = 1_000;

/// Slots, those before [`FIRST_SLOT`] aside.
const SLOTS: usize = 2 * MAX_LABELLED_ROUTES;

/// The slots before it are [`RouteLabel::OTHER`] and [`RouteLabel::NONE`].
const FIRST_SLOT: usize = 2;

/// A route's place among the labels: what a request carries to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteLabel(u16);

impl RouteLabel {
    /// Shared by the routes without a label of their own: `route="other"`.
    pub const OTHER: Self = Self(0);
    /// Requests that found no route: `route="none"`.
    pub const NONE: Self = Self(1);
    /// How many different labels there can be at all.
    pub(super) const COUNT: usize = FIRST_SLOT + SLOTS;

    /// Its place, below [`Self::COUNT`].
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What [`RouteLabels::assign`] decided.
#[derive(Debug)]
pub struct Assignment {
    /// One label for each route, in the order given.
    pub labels: Vec<RouteLabel>,
    /// Labels that now mean another name: their figures must start at zero.
    pub renamed: Vec<RouteLabel>,
}

/// The names behind the labels. Touched at table build and by a scrape, never
/// by a request.
#[derive(Debug, Default)]
pub struct RouteLabels {
    /// The slot's name, last or present; `slots[i]` is label `FIRST_SLOT + i`.
    slots: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, usize>,
    live: Vec<bool>,
    /// Slots without a live name, longest retired first.
    retired: VecDeque<usize>,
}

impl RouteLabels {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// Assigns a label to each route of a table: first to those with the
    /// flag, among equals first to those that have one, then in the order
    /// given. Routes of one name share a label. Names not given any more
    /// retire.
    pub fn assign<N: AsRef<str>>(
        &mut self,
        routes: impl IntoIterator<Item = (N, bool)>,
    ) -> Assignment {
        let routes: Vec<(N, bool)> = routes.into_iter().collect();
        let chosen = self.choose(&routes);
        self.retire_all_but(&chosen);
        let renamed = chosen
            .into_iter()
            .filter(|name| !self.by_name.contains_key(*name))
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(|name| self.take_slot(name))
            .collect();
        let labels = routes.iter().map(|(name, _)| self.label(name.as_ref())).collect();
        Assignment { labels, renamed }
    }

    /// A label for one more route, and whether it had another name before.
    pub fn add(&mut self, name: &str) -> (RouteLabel, bool) {
        if self.is_live(name) {
            return (self.label(name), false);
        }
        let live = self.slots.len() - self.retired.len();
        if live >= MAX_LABELLED_ROUTES || matches!(name, "other" | "none") {
            return (RouteLabel::OTHER, false);
        }
        if let Some(slot) = self.by_name.get(name).copied() {
            self.retired.retain(|retired| *retired != slot);
            self.live[slot] = true;
            return (at(slot), false);
        }
        let renamed = self.take_slot(name).is_some();
        (self.label(name), renamed)
    }

    /// Retires the label of one route.
    pub fn retire(&mut self, name: &str) {
        let Some(slot) = self.by_name.get(name).copied() else { return };
        if std::mem::replace(&mut self.live[slot], false) {
            self.retired.push_back(slot);
        }
    }

    /// Every label that is shown, with its name.
    pub fn shown(&self) -> impl Iterator<Item = (RouteLabel, &str)> {
        let fixed = [(RouteLabel::OTHER, "other"), (RouteLabel::NONE, "none")];
        let slots = self.slots.iter().zip(&self.live).enumerate();
        fixed.into_iter().chain(
            slots.filter(|(_, (_, live))| **live).map(|(slot, (name, _))| (at(slot), &**name)),
        )
    }

    /// The names that get a label, at most [`MAX_LABELLED_ROUTES`].
    fn choose<'r, N: AsRef<str>>(&self, routes: &'r [(N, bool)]) -> Vec<&'r str> {
        let mut flagged: HashMap<&str, (usize, bool)> = HashMap::with_capacity(routes.len());
        for (order, (name, flag)) in routes.iter().enumerate() {
            flagged.entry(name.as_ref()).or_insert((order, false)).1 |= *flag;
        }
        // These two would be mistaken for the shared labels.
        flagged.retain(|name, _| !matches!(*name, "other" | "none"));
        let mut names: Vec<_> = flagged.into_iter().collect();
        names.sort_unstable_by_key(|(name, (order, flag))| (!flag, !self.is_live(name), *order));
        names.truncate(MAX_LABELLED_ROUTES);
        names.into_iter().map(|(name, _)| name).collect()
    }

    fn is_live(&self, name: &str) -> bool {
        self.by_name.get(name).is_some_and(|slot| self.live[*slot])
    }

    /// Retires the labels whose names are not in `chosen`, and revives those
    /// that are.
    fn retire_all_but(&mut self, chosen: &[&str]) {
        let mut wanted = vec![false; self.slots.len()];
        for slot in chosen.iter().filter_map(|name| self.by_name.get(*name)) {
            wanted[*slot] = true;
        }
        self.retired.retain(|slot| !wanted[*slot]);
        for (slot, wanted) in wanted.into_iter().enumerate() {
            if self.live[slot] && !wanted {
                self.retired.push_back(slot);
            }
            self.live[slot] = wanted;
        }
    }

    /// Gives `name` a slot; the label comes back if it had another name.
    fn take_slot(&mut self, name: &str) -> Option<RouteLabel> {
        let name: Arc<str> = name.into();
        if self.slots.len() < SLOTS {
            self.by_name.insert(Arc::clone(&name), self.slots.len());
            self.slots.push(name);
            self.live.push(true);
            return None;
        }
        // At most half of the slots are live, so one is always retired.
        let slot = self.retired.pop_front()?;
        self.by_name.remove(&self.slots[slot]);
        self.by_name.insert(Arc::clone(&name), slot);
        self.slots[slot] = name;
        self.live[slot] = true;
        Some(at(slot))
    }

    fn label(&self, name: &str) -> RouteLabel {
        match self.by_name.get(name) {
            Some(slot) if self.live[*slot] => at(*slot),
            _ => RouteLabel::OTHER,
        }
    }
}

/// The label of a slot.
fn at(slot: usize) -> RouteLabel {
    u16::try_from(FIRST_SLOT + slot).map_or(RouteLabel::OTHER, RouteLabel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(range: std::ops::Range<usize>) -> Vec<(String, bool)> {
        range.map(|n| (format!("app-{n}.example/"), false)).collect()
    }

    #[test]
    fn five_thousand_routes_get_a_thousand_labels_and_share_the_rest() {
        let mut labels = RouteLabels::new();
        let assigned = labels.assign(names(0..5_000)).labels;
        assert_eq!(assigned.len(), 5_000);
        assert_eq!(labels.shown().count(), MAX_LABELLED_ROUTES + FIRST_SLOT);
        assert!(assigned[..1_000].iter().all(|label| *label != RouteLabel::OTHER));
        assert!(assigned[1_000..].iter().all(|label| *label == RouteLabel::OTHER));
    }

    #[test]
    fn a_flagged_route_comes_first_wherever_it_stands() {
        let mut labels = RouteLabels::new();
        labels.assign(names(0..1_000));
        let mut routes = names(0..1_000);
        routes.push(("late.example/".into(), true));
        let assigned = labels.assign(routes).labels;
        assert_ne!(assigned[1_000], RouteLabel::OTHER);
        assert_eq!(assigned[999], RouteLabel::OTHER);
    }

    #[test]
    fn a_name_keeps_its_label_when_others_come_and_go() {
        let mut labels = RouteLabels::new();
        let before = labels.assign([("b/", false), ("a/", false)]).labels[1];
        let after = labels.assign([("c/", true), ("a/", false)]).labels[1];
        assert_eq!(before, after);
    }

    #[test]
    fn a_name_that_returns_finds_its_label_and_figures_again() {
        let mut labels = RouteLabels::new();
        let before = labels.assign([("a/", false)]).labels[0];
        assert_eq!(labels.assign([("b/", false)]).labels.len(), 1);
        assert!(!labels.shown().any(|(_, name)| name == "a/"));
        let again = labels.assign([("a/", false)]);
        assert_eq!(again.labels[0], before);
        assert!(again.renamed.is_empty());
    }

    #[test]
    fn a_slot_is_renamed_only_after_two_whole_tables_and_then_says_so() {
        let mut labels = RouteLabels::new();
        let first = labels.assign(names(0..1_000));
        let second = labels.assign(names(1_000..2_000));
        assert!(first.renamed.is_empty() && second.renamed.is_empty());
        let third = labels.assign(names(2_000..3_000));
        assert_eq!(third.renamed, third.labels, "all of them are used slots");
        assert_eq!(third.labels, first.labels, "the longest retired come first");
    }

    #[test]
    fn routes_of_one_name_share_a_label_and_one_flag_is_enough() {
        let mut labels = RouteLabels::new();
        let mut routes = names(0..1_000);
        routes.push(("twice/".into(), false));
        routes.push(("twice/".into(), true));
        let assigned = labels.assign(routes).labels;
        assert_ne!(assigned[1_000], RouteLabel::OTHER);
        assert_eq!(assigned[1_000], assigned[1_001]);
    }

    #[test]
    fn routes_added_one_by_one_get_what_is_left_and_give_it_back() {
        let mut labels = RouteLabels::new();
        labels.assign(names(0..999));
        let (late, renamed) = labels.add("late/");
        assert!(late != RouteLabel::OTHER && !renamed);
        assert_eq!(labels.add("late/"), (late, false));
        assert_eq!(labels.add("too late/"), (RouteLabel::OTHER, false));
        labels.retire("late/");
        labels.retire("late/");
        assert_ne!(labels.add("too late/").0, RouteLabel::OTHER);
        assert_eq!(labels.add("late/"), (RouteLabel::OTHER, false));
        labels.retire("too late/");
        assert_eq!(labels.add("late/"), (late, false), "it finds its figures again");
        assert_eq!(labels.shown().count(), MAX_LABELLED_ROUTES + FIRST_SLOT);
    }

    #[test]
    fn a_route_named_like_a_shared_label_counts_as_other() {
        let mut labels = RouteLabels::new();
        let assigned = labels.assign([("other", true), ("none", true)]).labels;
        assert_eq!(assigned, [RouteLabel::OTHER, RouteLabel::OTHER]);
    }
}
