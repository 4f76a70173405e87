//! One timer a connection, armed lazily.
//!
//! A connection watches many deadlines, most of which move later with every
//! byte and never fire. Registering each with the runtime would cost a timer
//! operation per read. A [`Clock`] keeps one registration and moves it only
//! when a deadline comes before the one registered; when it fires too early
//! for the deadline then in force, it registers again. A busy keep-alive
//! connection so touches the timer about once per shortest timeout.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A lazily armed timer; it belongs to one connection.
#[derive(Default)]
pub(crate) struct Clock {
    armed: Option<Armed>,
}

struct Armed {
    sleep: Pin<Box<Sleep>>,
    /// Who is woken when it fires.
    waker: Waker,
}

impl Clock {
    /// Ready once `deadline` has passed; otherwise the task is woken no later
    /// than then. Several deadlines may be polled in turn with one clock.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.poll_until_from(cx, Instant::now(), deadline)
    }

    /// The same for who knows the time already.
    pub(crate) fn poll_until_from(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        deadline: Instant,
    ) -> Poll<()> {
        if now >= deadline {
            return Poll::Ready(());
        }
        let armed = self.armed.get_or_insert_with(|| Armed {
            sleep: Box::pin(sleep_until(deadline)),
            waker: Waker::noop().clone(),
        });
        let registered = armed.sleep.deadline();
        let due = registered <= now;
        if !due && registered <= deadline && armed.waker.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        if due || registered > deadline {
            armed.sleep.as_mut().reset(deadline);
        }
        armed.waker.clone_from(cx.waker());
        // Unconstrained: out of budget the timer would say "pending" without
        // having taken the waker, and is not asked again.
        while pin!(unconstrained(armed.sleep.as_mut())).poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            armed.sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// The earlier of two optional deadlines.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_earlier_deadline_rearms_and_a_later_one_does_not_fire_early() {
        let mut clock = Clock::default();
        let start = Instant::now();
        let late = start + Duration::from_secs(75);
        let soon = start + Duration::from_secs(10);
        assert!(poll_fn(|cx| Poll::Ready(clock.poll_until(cx, late))).await.is_pending());
        poll_fn(|cx| clock.poll_until(cx, soon)).await;
        assert_eq!(Instant::now(), soon);
        poll_fn(|cx| clock.poll_until(cx, late)).await;
        assert_eq!(Instant::now(), late);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_had_spent_its_budget_is_woken_all_the_same() {
        let deadline = Instant::now() + Duration::from_secs(3);
        let waiting = tokio::spawn(async move {
            let mut clock = Clock::default();
            let mut spent = false;
            poll_fn(|cx| {
                while !spent {
                    spent = pin!(tokio::task::consume_budget()).poll(cx).is_pending();
                }
                clock.poll_until(cx, deadline)
            })
            .await;
        });
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap().unwrap();
        assert_eq!(Instant::now(), deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn another_task_that_polls_it_next_is_the_one_woken() {
        let mut clock = Clock::default();
        let deadline = Instant::now() + Duration::from_secs(3);
        let first = poll_fn(|cx| Poll::Ready(clock.poll_until(cx, deadline))).await;
        assert!(first.is_pending());
        let clock = tokio::spawn(async move {
            poll_fn(|cx| clock.poll_until(cx, deadline)).await;
            clock
        });
        clock.await.unwrap();
        assert_eq!(Instant::now(), deadline);
    }
}
