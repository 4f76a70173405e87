//! The one owner of everybody who asks for a name.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::config::{DnsSettings, Settings};
use crate::dns::resolver::Resolver;
use crate::endpoint::{EndpointAddress, Learnt, Name, Resolution};
use crate::lifecycle::{Kept, Phase, TaskKind};
use crate::router::Shared;
use crate::sync::Mutex;

/// Between two looks at the table and the answers: both may come faster than
/// it makes sense to follow.
const LEAST_PACE: Duration = Duration::from_millis(20);
/// The longest that a start or a reload waits for first answers.
const FIRST_ANSWERS: Duration = Duration::from_secs(10);
/// Names asked for at a time meanwhile.
const LANES: usize = 32;

/// Keeps one asker for each name of the table in force, and the table up to
/// what they learn, until the router drains or this is dropped.
pub(crate) async fn keep(shared: Arc<Shared>, mut phase: watch::Receiver<Phase>) {
    let mut askers = Kept::new();
    let attending = async {
        let mut published = shared.published.subscribe();
        let (resolver, news) = (Arc::new(Resolver::new()), Arc::new(Notify::new()));
        let mut asked = None;
        loop {
            published.mark_unchanged();
            let names = shared.names.attended();
            if names.is_empty() {
                resolver.rest();
            }
            let settings = shared.snapshots.current().settings.dns.clone();
            // Other servers may know what these did not: they are asked at once.
            let at_once = asked.as_ref().is_some_and(|asked| *asked != settings);
            if at_once {
                askers.end_all();
            }
            asked = Some(settings);
            askers.reconcile(names, |name| {
                let host = name.host().to_string();
                let asker = ask_on(shared.clone(), resolver.clone(), name, news.clone(), at_once);
                shared.tasks.track(TaskKind::Resolve, host, asker)
            });
            tokio::time::sleep(LEAST_PACE).await;
            tokio::select! {
                changed = published.changed() => if changed.is_err() { return },
                () = news.notified() => take_up(&shared).await,
                () = askers.one_ended() => {}
            }
        }
    };
    tokio::select! {
        () = attending => {}
        // A router that is about to end needs no news of endpoints.
        _ = phase.wait_for(Phase::is_draining) => {}
    }
    askers.shutdown().await;
}

/// Puts a table with the addresses of now in force; on a thread of its own,
/// since others may hold up whoever changes the table.
async fn take_up(shared: &Arc<Shared>) {
    let shared = shared.clone();
    let done = tokio::task::spawn_blocking(move || shared.take_up_addresses()).await;
    if done.is_err() {
        tracing::error!("taking up new addresses ended in a panic; the old ones stay");
    }
}

/// Asks for a name whenever it is time, for as long as it is polled.
async fn ask_on(
    shared: Arc<Shared>,
    resolver: Arc<Resolver>,
    name: Arc<Name>,
    news: Arc<Notify>,
    mut at_once: bool,
) {
    loop {
        let now_ms = shared.now_ms(std::time::Instant::now());
        let wait_ms = name.resolution().next_at_ms().saturating_sub(now_ms);
        if !std::mem::take(&mut at_once) {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        }
        let settings = shared.snapshots.current().settings.dns.clone();
        if ask(&shared, &resolver, &name, &settings).await.changed {
            news.notify_one();
        }
    }
}

async fn ask(shared: &Shared, resolver: &Resolver, name: &Name, settings: &DnsSettings) -> Learnt {
    let answer = resolver.ask(name.host(), settings).await;
    let now_ms = shared.now_ms(std::time::Instant::now());
    let learnt = name.observe(answer, &settings.terms, now_ms);
    let resolution = name.resolution();
    shared.metrics.resolved(match resolution.fault() {
        None => "answered",
        Some((_, fault)) if fault.timed_out => "timeout",
        Some(_) => "failed",
    });
    let host = name.host();
    match resolution.fault() {
        // Once, however often it is asked for in vain.
        Some((_, fault)) if learnt.turned => {
            let why = &fault.detail;
            let addresses = left_with(&resolution);
            tracing::warn!(%host, %why, "the name cannot be resolved; {addresses}");
        }
        None if learnt.turned => tracing::info!(%host, "the name is resolved again"),
        _ => {}
    }
    if learnt.changed {
        let addresses: Vec<_> = resolution.addresses().map(|ip| ip.to_string()).collect();
        tracing::info!(%host, addresses = addresses.join(" "), "the name has other addresses");
    }
    learnt
}

/// What a name that cannot be resolved has nevertheless.
fn left_with(resolution: &Resolution) -> &'static str {
    match resolution.addresses().next() {
        Some(_) => "what was known of it stays",
        None => "it has no address",
    }
}

/// Asks for the names of `settings` that are not known yet, so that routes do
/// not begin without addresses; waits for as long as a question may take, and
/// not longer than 10 s. What it learns is kept for as long as the result is.
pub(crate) async fn first_answers(shared: &Shared, settings: &Settings) -> Vec<Arc<Name>> {
    let addresses = settings.routes.iter().flat_map(|route| &route.endpoints);
    let mut hosts: Vec<&Arc<str>> = addresses
        .filter_map(|endpoint| match &endpoint.address {
            EndpointAddress::Ip(_) => None,
            EndpointAddress::Name { host, .. } => Some(host),
        })
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    let names: Vec<_> = hosts.into_iter().map(|host| shared.names.resolve(host)).collect();
    let resolver = Resolver::new();
    let unknown = Mutex::new(names.iter().filter(|name| name.resolution().next_at_ms() == 0));
    let next = || unknown.lock().next();
    let lane = || async {
        while let Some(name) = next() {
            ask(shared, &resolver, name, &settings.dns).await;
        }
    };
    let lanes = std::iter::repeat_with(lane).take(names.len().min(LANES));
    // Whoever is late is asked for again by the keeper.
    let _ = tokio::time::timeout(FIRST_ANSWERS, all(lanes)).await;
    names
}

/// Polls futures until each has ended.
async fn all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut left: Vec<_> = futures.map(Box::pin).collect();
    poll_fn(|cx| {
        left.retain_mut(|future| future.as_mut().poll(cx).is_pending());
        if left.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{FamilyAnswer, NameAnswer};

    #[test]
    fn a_name_never_resolved_is_not_said_to_keep_what_was_known() {
        let (mut resolution, terms) = (Resolution::default(), DnsSettings::default().terms);
        let both = |answer: FamilyAnswer| NameAnswer { v4: answer.clone(), v6: answer };
        resolution.observe(both(FamilyAnswer::TimedOut), &terms, 0);
        assert_eq!(left_with(&resolution), "it has no address");
        let address = ([192, 0, 2, 1]).into();
        let found = FamilyAnswer::Addresses(vec![address], Duration::from_secs(1));
        resolution.observe(both(found), &terms, 1);
        resolution.observe(both(FamilyAnswer::TimedOut), &terms, 2);
        assert_eq!(left_with(&resolution), "what was known of it stays");
    }
}
