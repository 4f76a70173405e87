//! What is known of a name, and when it is asked for again.
//!
//! An answer holds for its time to live, kept between two bounds. A resolver
//! that fails changes nothing: the last answer stays in force for as long as it
//! takes, and is asked for again, soon at first and then more rarely. An answer
//! that there is no such name, or that it has no address, is an answer; but it
//! is also what a resolver says that has just lost its data, so that it must
//! have held for a while before it counts. The two families of addresses are
//! asked for apart, and one that fails keeps what it had.

use std::net::IpAddr;
use std::time::Duration;

/// The longest wait between two tries of a resolver that fails, or of a name
/// that is said not to exist.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// Addresses of a name that are used at most.
pub const MOST_ADDRESSES: usize = 256;

/// The bounds of what answers may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameTerms {
    /// A shorter time to live counts as this.
    pub min_ttl: Duration,
    /// A longer one as this.
    pub max_ttl: Duration,
    /// For how long a name must be said to have no address before that counts.
    pub negative_hold: Duration,
}

/// What came of asking for the addresses of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FamilyAnswer {
    /// These, for so long.
    Addresses(Vec<IpAddr>, Duration),
    /// There are none.
    Nothing,
    /// No answer: why.
    Failed(String),
    /// No answer in time.
    TimedOut,
}

/// What came of asking for a name: of its IPv4 and of its IPv6 addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    /// IPv4.
    pub v4: FamilyAnswer,
    /// IPv6.
    pub v6: FamilyAnswer,
}

/// Why the last try gave no addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameFault {
    /// Whether it was for lack of an answer in time.
    pub timed_out: bool,
    /// In words.
    pub detail: String,
}

/// What is known of one name.
#[derive(Clone, Debug, Default)]
pub struct Resolution {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    /// When the answer in force came, if there is one.
    resolved_at_ms: Option<u64>,
    /// When it is asked for again.
    next_at_ms: u64,
    /// Since when there has been no good answer, and the latest reason.
    fault: Option<(u64, NameFault)>,
    /// Since when the name is said to have no address, whatever failed between:
    /// a failure says nothing of it.
    nothing_since_ms: Option<u64>,
    /// Tries in a row without addresses.
    failures: u32,
}

/// What one answer changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learnt {
    /// Whether the addresses are others than before.
    pub changed: bool,
    /// Whether the name has begun or ceased to fail.
    pub turned: bool,
    /// When to ask again.
    pub next_in: Duration,
}

impl Resolution {
    /// Every address, sorted, each once.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.iter().chain(&self.v6).copied().take(MOST_ADDRESSES)
    }

    /// In a word: `resolved`; `stale` if it has an answer and its last try
    /// failed; `unresolved` if it never had one, or has none any more.
    pub fn state(&self) -> &'static str {
        match (self.resolved_at_ms, &self.fault) {
            (None, _) => "unresolved",
            (Some(_), None) => "resolved",
            (Some(_), Some(_)) => "stale",
        }
    }

    /// When the answer in force came.
    pub fn resolved_at_ms(&self) -> Option<u64> {
        self.resolved_at_ms
    }

    /// When it is asked for again.
    pub fn next_at_ms(&self) -> u64 {
        self.next_at_ms
    }

    /// Since when it fails, and why; `None` while its last answer was good.
    pub fn fault(&self) -> Option<&(u64, NameFault)> {
        self.fault.as_ref()
    }

    /// Takes an answer that came at `now_ms`.
    pub fn observe(&mut self, answer: NameAnswer, terms: &NameTerms, now_ms: u64) -> Learnt {
        let was_failing = self.fault.is_some();
        let (changed, next_in) = match verdict(&answer) {
            Verdict::Good(ttl) => {
                let mut changed = set(&mut self.v4, answer.v4);
                changed |= set(&mut self.v6, answer.v6);
                self.resolved_at_ms = Some(now_ms);
                self.fault = None;
                self.nothing_since_ms = None;
                self.failures = 0;
                (changed, ttl.clamp(terms.min_ttl, terms.max_ttl.max(terms.min_ttl)))
            }
            Verdict::Nothing(fault) => (self.nothing(fault, terms, now_ms), self.retry(terms)),
            Verdict::Failed(fault) => {
                self.fails(fault, now_ms);
                (false, self.retry(terms))
            }
        };
        self.next_at_ms = now_ms.saturating_add(ms(next_in));
        Learnt { changed, turned: was_failing != self.fault.is_some(), next_in }
    }

    /// The name has no address; whether that takes away those it had.
    fn nothing(&mut self, fault: NameFault, terms: &NameTerms, now_ms: u64) -> bool {
        self.fails(fault, now_ms);
        let since_ms = *self.nothing_since_ms.get_or_insert(now_ms);
        let holds = now_ms.saturating_sub(since_ms) >= ms(terms.negative_hold);
        let had_any = self.addresses().next().is_some();
        if holds {
            self.v4.clear();
            self.v6.clear();
            self.resolved_at_ms = None;
        }
        holds && had_any
    }

    fn fails(&mut self, fault: NameFault, now_ms: u64) {
        let since_ms = self.fault.as_ref().map_or(now_ms, |(since_ms, _)| *since_ms);
        self.fault = Some((since_ms, fault));
    }

    fn retry(&mut self, terms: &NameTerms) -> Duration {
        let doubled = 1_u32 << self.failures.min(16);
        self.failures += 1;
        terms.min_ttl.saturating_mul(doubled).min(LONGEST_RETRY.max(terms.min_ttl))
    }
}

enum Verdict {
    Good(Duration),
    Nothing(NameFault),
    Failed(NameFault),
}

/// Good if either family has addresses; nothing only if both say so.
fn verdict(answer: &NameAnswer) -> Verdict {
    use FamilyAnswer::{Addresses, Failed, Nothing, TimedOut};
    let fault = |timed_out, detail: &str| NameFault { timed_out, detail: detail.to_owned() };
    match (&answer.v4, &answer.v6) {
        (Addresses(_, one), Addresses(_, other)) => Verdict::Good(*one.min(other)),
        (Addresses(_, ttl), _) | (_, Addresses(_, ttl)) => Verdict::Good(*ttl),
        (Nothing, Nothing) => Verdict::Nothing(fault(false, "the name has no address")),
        (Failed(why), _) | (_, Failed(why)) => Verdict::Failed(fault(false, why)),
        (TimedOut, _) | (_, TimedOut) => {
            Verdict::Failed(fault(true, "no name server answered in time"))
        }
    }
}

/// Puts an answer in the place of what was known; whether that is a change.
fn set(known: &mut Vec<IpAddr>, answer: FamilyAnswer) -> bool {
    let mut addresses = match answer {
        FamilyAnswer::Addresses(addresses, _) => addresses,
        FamilyAnswer::Nothing => Vec::new(),
        FamilyAnswer::Failed(_) | FamilyAnswer::TimedOut => return false,
    };
    addresses.sort_unstable();
    addresses.dedup();
    let changed = *known != addresses;
    *known = addresses;
    changed
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    const TERMS: NameTerms = NameTerms {
        min_ttl: S,
        max_ttl: Duration::from_secs(300),
        negative_hold: Duration::from_secs(30),
    };

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn v4(last: &[u8], ttl: Duration) -> NameAnswer {
        let addresses = last.iter().map(|last| ip(*last)).collect();
        NameAnswer { v4: FamilyAnswer::Addresses(addresses, ttl), v6: FamilyAnswer::Nothing }
    }

    fn both(answer: FamilyAnswer) -> NameAnswer {
        NameAnswer { v4: answer.clone(), v6: answer }
    }

    fn known(resolution: &Resolution) -> Vec<IpAddr> {
        resolution.addresses().collect()
    }

    #[test]
    fn an_answer_is_in_force_for_its_time_to_live_between_the_bounds() {
        for (ttl, next_in) in [(0, 1), (1, 1), (20, 20), (300, 300), (86_400, 300)] {
            let mut resolution = Resolution::default();
            let learnt = resolution.observe(v4(&[2, 1, 2], ttl * S), &TERMS, 7);
            assert_eq!(learnt, Learnt { changed: true, turned: false, next_in: next_in * S });
            assert_eq!(known(&resolution), [ip(1), ip(2)]);
            assert_eq!((resolution.state(), resolution.resolved_at_ms()), ("resolved", Some(7)));
            assert_eq!(resolution.next_at_ms(), 7 + u64::from(next_in) * 1_000);
        }
    }

    #[test]
    fn of_a_name_with_very_many_addresses_only_so_many_are_used() {
        let many = |family: fn(u16) -> IpAddr| {
            FamilyAnswer::Addresses((0..MOST_ADDRESSES as u16).map(family).collect(), S)
        };
        let v4 = many(|n| IpAddr::from([192, 0, 2 + (n >> 8) as u8, n as u8]));
        let v6 = many(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]));
        let mut resolution = Resolution::default();
        resolution.observe(NameAnswer { v4, v6 }, &TERMS, 0);
        assert_eq!(known(&resolution).len(), MOST_ADDRESSES);
    }

    #[test]
    fn the_same_addresses_in_another_order_are_no_change() {
        let mut resolution = Resolution::default();
        assert!(resolution.observe(v4(&[1, 2], S), &TERMS, 0).changed);
        assert!(!resolution.observe(v4(&[2, 1], S), &TERMS, 1).changed);
        assert!(resolution.observe(v4(&[2], S), &TERMS, 2).changed);
    }

    #[test]
    fn a_failing_resolver_keeps_the_last_answer_and_is_asked_ever_more_rarely() {
        let mut resolution = Resolution::default();
        resolution.observe(v4(&[1], S), &TERMS, 0);
        let mut waits = Vec::new();
        for at in 1..10 {
            let failed = both(FamilyAnswer::Failed("SERVFAIL".into()));
            let learnt = resolution.observe(failed, &TERMS, at * 100_000);
            assert_eq!((learnt.changed, learnt.turned), (false, at == 1));
            assert_eq!(known(&resolution), [ip(1)]);
            waits.push(learnt.next_in.as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30, 30]);
        let (since_ms, fault) = resolution.fault().unwrap();
        assert_eq!((*since_ms, fault.timed_out, &*fault.detail), (100_000, false, "SERVFAIL"));
        let learnt = resolution.observe(v4(&[1], S), &TERMS, 1_000_000);
        assert_eq!(learnt, Learnt { changed: false, turned: true, next_in: S });
        assert!(resolution.fault().is_none());
    }

    #[test]
    fn a_name_that_has_no_address_any_more_keeps_its_last_for_a_while() {
        let mut resolution = Resolution::default();
        resolution.observe(v4(&[1], S), &TERMS, 0);
        let nothing = both(FamilyAnswer::Nothing);
        assert!(!resolution.observe(nothing.clone(), &TERMS, 10_000).changed);
        assert!(!resolution.observe(nothing.clone(), &TERMS, 39_999).changed);
        assert_eq!((known(&resolution), resolution.state()), (vec![ip(1)], "stale"));
        assert!(resolution.observe(nothing.clone(), &TERMS, 40_000).changed);
        assert!(known(&resolution).is_empty());
        assert_eq!((resolution.state(), resolution.resolved_at_ms()), ("unresolved", None));
        assert!(!resolution.observe(nothing, &TERMS, 50_000).changed);
        assert!(resolution.observe(v4(&[1], S), &TERMS, 60_000).changed);
    }

    #[test]
    fn a_resolver_that_failed_for_long_has_not_said_for_long_that_there_is_nothing() {
        let mut resolution = Resolution::default();
        resolution.observe(v4(&[1], S), &TERMS, 0);
        let silent = || both(FamilyAnswer::TimedOut);
        let nothing = || both(FamilyAnswer::Nothing);
        resolution.observe(silent(), &TERMS, 10_000);
        assert!(!resolution.observe(nothing(), &TERMS, 100_000).changed);
        assert_eq!(known(&resolution), [ip(1)]);
        assert_eq!(resolution.fault().unwrap().0, 10_000);
        // What fails between says nothing; what answers ends it.
        resolution.observe(silent(), &TERMS, 120_000);
        assert!(resolution.observe(nothing(), &TERMS, 130_000).changed);
        resolution.observe(v4(&[1], S), &TERMS, 140_000);
        assert!(!resolution.observe(nothing(), &TERMS, 150_000).changed);
        assert_eq!(known(&resolution), [ip(1)]);
    }

    #[test]
    fn a_family_that_fails_keeps_what_it_had() {
        let six: IpAddr = "2001:db8::1".parse().unwrap();
        let mut resolution = Resolution::default();
        let full = NameAnswer {
            v4: FamilyAnswer::Addresses(vec![ip(1)], 5 * S),
            v6: FamilyAnswer::Addresses(vec![six], 3 * S),
        };
        assert_eq!(resolution.observe(full, &TERMS, 0).next_in, 3 * S);
        let half = NameAnswer {
            v4: FamilyAnswer::Addresses(vec![ip(2)], 5 * S),
            v6: FamilyAnswer::TimedOut,
        };
        assert!(resolution.observe(half, &TERMS, 1).changed);
        assert_eq!(known(&resolution), [ip(2), six]);
        assert!(resolution.fault().is_none());
        resolution.observe(v4(&[2], S), &TERMS, 2);
        assert_eq!(known(&resolution), [ip(2)]);
    }

    #[test]
    fn a_name_never_resolved_says_why() {
        let mut resolution = Resolution::default();
        resolution.observe(both(FamilyAnswer::TimedOut), &TERMS, 5);
        assert!(resolution.fault().unwrap().1.timed_out);
        assert_eq!(resolution.state(), "unresolved");
        let refused = FamilyAnswer::Failed("refused".into());
        let mixed = NameAnswer { v4: FamilyAnswer::TimedOut, v6: refused };
        resolution.observe(mixed, &TERMS, 6);
        assert!(!resolution.fault().unwrap().1.timed_out);
    }

    fn family(v6: bool) -> impl Strategy<Value = FamilyAnswer> {
        let ip = move |last| {
            if v6 { IpAddr::from([0, 0, 0, 0, 0, 0, 0, u16::from(last)]) } else { ip(last) }
        };
        let addresses =
            (proptest::collection::vec(0u8..6, 1..5), 0u64..1_000).prop_map(move |(a, ttl)| {
                FamilyAnswer::Addresses(a.into_iter().map(ip).collect(), Duration::from_secs(ttl))
            });
        prop_oneof![
            3 => addresses,
            1 => Just(FamilyAnswer::Nothing),
            1 => Just(FamilyAnswer::Failed("no".into())),
            1 => Just(FamilyAnswer::TimedOut),
        ]
    }

    proptest! {
        /// Whatever is answered: changes are told exactly when there are any,
        /// addresses go only by an answer, and the next question is asked in a
        /// bounded time.
        #[test]
        fn no_answer_makes_it_forget_or_hurry(
            answers in proptest::collection::vec((family(false), family(true), 0u64..100_000), 1..50),
        ) {
            let mut resolution = Resolution::default();
            let mut now_ms = 0;
            for (v4, v6, step_ms) in answers {
                now_ms += step_ms;
                let before = known(&resolution);
                let answers = [&v4, &v6].map(|a| matches!(a, FamilyAnswer::Addresses(..) | FamilyAnswer::Nothing));
                let learnt = resolution.observe(NameAnswer { v4, v6 }, &TERMS, now_ms);
                let after = known(&resolution);
                prop_assert_eq!(learnt.changed, before != after);
                prop_assert!(answers[0] || answers[1] || before == after);
                prop_assert!(learnt.next_in >= TERMS.min_ttl && learnt.next_in <= TERMS.max_ttl);
            }
        }
    }
}
