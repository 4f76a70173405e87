//! The endpoints of one route.

use std::ops::DerefMut;
use std::sync::{Arc, OnceLock};

use crate::endpoint::balance::Balance;
use crate::endpoint::choice::Asked;
use crate::endpoint::key;
use crate::endpoint::line::{Crowd, Line};
use crate::endpoint::outlier::OutlierPolicy;
use crate::endpoint::outlook::{All, Outlook, Place};
use crate::endpoint::probed::Probed;
use crate::endpoint::slots::Slots;
use crate::endpoint::state::EndpointState;
use crate::endpoint::view::{View, Views};

/// How a set is chosen from.
#[derive(Clone, Debug)]
pub struct Choosing {
    /// The balance.
    pub balance: Balance,
    /// How many workers choose.
    pub workers: usize,
    /// For how long the share of an endpoint that came grows; 0 is not at all.
    pub slow_start_ms: u64,
    /// While so much of the weight in the router's own zone is fit, in percent,
    /// all traffic stays there.
    pub enough_percent: u64,
    /// When endpoints are ejected. Without, none is, and what other routes think
    /// of the same addresses is not heeded.
    pub outlier: Option<OutlierPolicy>,
}

impl Choosing {
    /// This balance, and nothing else.
    pub fn by(balance: Balance, workers: usize) -> Self {
        Self { balance, workers, slow_start_ms: 0, enough_percent: 70, outlier: None }
    }
}

/// An endpoint on its way into a set.
#[derive(Clone, Debug)]
pub struct Member {
    /// What is known of it.
    pub endpoint: Arc<EndpointState>,
    /// Its share relative to the others; 0 counts as 1.
    pub weight: u16,
    /// Whether it is in the router's own zone; where the router is in none, all
    /// are.
    pub near: bool,
    /// When it came to the route, on the clock of all cores.
    pub since_ms: u64,
}

/// The endpoints of one route: immutable, part of a table.
#[derive(Debug)]
pub struct EndpointSet {
    pub(super) endpoints: Box<[Arc<EndpointState>]>,
    places: Box<[Place]>,
    pub(super) choosing: Choosing,
    /// What probes say of each, in the same order; empty without a check.
    probed: Box<[Arc<Probed>]>,
    /// Whose a key is, near and far.
    pub(super) slots: Option<[Slots; 2]>,
    /// Made with the first choice.
    views: OnceLock<Views>,
    line: crate::sync::Arc<Line>,
}

impl EndpointSet {
    /// A set of endpoints.
    pub fn new(members: Vec<Member>, choosing: Choosing) -> Self {
        let places: Box<[Place]> =
            members.iter().map(|m| Place { weight: m.weight, near: m.near }).collect();
        members.iter().for_each(|member| member.endpoint.enter_table(member.since_ms));
        let endpoints: Box<[_]> = members.into_iter().map(|member| member.endpoint).collect();
        let slots = matches!(choosing.balance, Balance::Hash(_)).then(|| {
            [true, false].map(|near| {
                let those = (0..endpoints.len()).filter(|index| places[*index].near == near);
                Slots::new(those.map(|index| {
                    (index, key::of_address(endpoints[index].address()), places[index].weight)
                }))
            })
        });
        let views = OnceLock::new();
        // Until it is told of another, one in which nobody may wait.
        let crowd = Arc::new(Crowd::new(Arc::default()));
        let line = crate::sync::Arc::new(Line::new(0, crowd));
        Self { endpoints, places, choosing, probed: Box::default(), slots, views, line }
    }

    /// The same set, in whose `line` requests wait when all are full.
    pub fn with_line(self, line: crate::sync::Arc<Line>) -> Self {
        Self { line, ..self }
    }

    /// Where requests wait for its endpoints.
    pub fn line(&self) -> &crate::sync::Arc<Line> {
        &self.line
    }

    /// The same set under a health check: what probes know of each endpoint, in
    /// the order of their indices.
    ///
    /// # Panics
    /// If there are not as many as endpoints.
    pub fn with_probes(mut self, probed: Vec<Arc<Probed>>) -> Self {
        assert_eq!(probed.len(), self.endpoints.len(), "each endpoint is probed");
        self.probed = probed.into();
        self
    }

    /// What probes know of the endpoints, in the order of their indices; empty
    /// without a health check.
    pub fn probed(&self) -> &[Arc<Probed>] {
        &self.probed
    }

    /// The endpoints, in the order of their indices.
    pub fn endpoints(&self) -> &[Arc<EndpointState>] {
        &self.endpoints
    }

    /// How it is chosen from.
    pub fn choosing(&self) -> &Choosing {
        &self.choosing
    }

    /// The number of endpoints.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// What the workers have of it.
    pub(super) fn views(&self, asked: &Asked) -> &Views {
        let new = || Views::new(&self.places, self.choosing.workers, asked.random);
        self.views.get_or_init(new)
    }

    /// What the asking worker remembers, as of now.
    pub(super) fn outlook<'a>(
        &self,
        view: &'a View,
        asked: &Asked,
    ) -> impl DerefMut<Target = Outlook> + use<'a> {
        let moment = (asked.worker, asked.now_ms, asked.random);
        let all = All {
            endpoints: &self.endpoints,
            places: &self.places,
            probed: &self.probed,
            choosing: &self.choosing,
        };
        let mut outlook = view.outlook.lock();
        if outlook.refresh(all, moment) {
            view.note(&outlook);
        }
        outlook
    }

    /// Which endpoints a request would be sent to or waits for, by index,
    /// whether they have room or not: of those that `may`, the fit ones; if
    /// there is none, those that are only passed over, else any that are up.
    pub(super) fn wanted(&self, asked: &Asked, may: impl Fn(usize) -> bool) -> Vec<bool> {
        let outlook = self.outlook(self.views(asked).of(asked.worker), asked);
        let classes: [&dyn Fn(usize) -> bool; 3] =
            [&|index| outlook.is_fit(index), &|index| outlook.is_passed_over(index), &|index| {
                !outlook.is_down(index)
            }];
        for class in classes {
            let wanted: Vec<bool> = (0..self.len()).map(|i| may(i) && class(i)).collect();
            if wanted.contains(&true) {
                return wanted;
            }
        }
        vec![false; self.len()]
    }
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
