//! One timer a connection, armed lazily.
//!
//! A connection watches many deadlines, most of which move later with every
//! byte and never fire. Registering each with the runtime would cost a timer
//! operation per read. A [`Clock`] keeps one registration and moves it only
//! when a deadline comes before the one registered; when it fires too early
//! for the deadline then in force, it registers again. A busy keep-alive
//! connection so touches the timer about once per shortest timeout.
//!
//! A deadline that has passed is not believed at once. A router that stood still
//! (its machine was busy or suspended, somebody attached a debugger) wakes up with
//! its timers due and the bytes that came in time still in the system, where the
//! runtime has not looked yet: an interrupted `epoll_wait` tells of none, and who
//! is polled in the same turn as the one that took long has none either. So the
//! runtime is made to ask the system once more first. Whoever reads before it asks
//! its clock then finds what came in time, and the clock is asked in vain.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::task::{unconstrained, yield_now};
use tokio::time::{Instant, Sleep, sleep_until};

/// For so long a last look is good for deadlines that passed after it: some are
/// counted from now on and would else always be newer.
const LOOK_HOLDS: Duration = Duration::from_millis(100);

/// A lazily armed timer; it belongs to one connection.
#[derive(Default)]
pub(crate) struct Clock {
    armed: Option<Armed>,
    last_look: Option<Arc<LastLook>>,
}

/// What is done once more when a deadline has passed: the system is asked who has
/// something to read.
struct LastLook {
    /// When it was asked for.
    since: Instant,
    over: AtomicBool,
    waker: Waker,
}

impl LastLook {
    /// Has the task of `cx` woken when the runtime has asked the system.
    fn ask_for(now: Instant, cx: &Context<'_>) -> Arc<Self> {
        let waker = cx.waker().clone();
        let look = Arc::new(Self { since: now, over: AtomicBool::new(false), waker });
        // The runtime holds back who yields until then. It keeps the waker, and so
        // nothing is lost when this ends here.
        let waker = Waker::from(look.clone());
        let _ = pin!(yield_now()).poll(&mut Context::from_waker(&waker));
        look
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Whether it shows what came before `deadline`, now or when it is over.
    fn is_good_for(&self, deadline: Instant, now: Instant) -> bool {
        deadline <= self.since || now < self.since + LOOK_HOLDS
    }
}

impl Wake for LastLook {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.over.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }
}

/// What `future` comes to, unless that takes longer than `patience`.
pub(crate) async fn within<F: Future>(patience: Duration, future: F) -> Option<F::Output> {
    let due = Instant::now() + patience;
    let (mut clock, mut future) = (Clock::default(), pin!(future));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => clock.poll_until(cx, due).map(|()| None),
    })
    .await
}

struct Armed {
    sleep: Pin<Box<Sleep>>,
    /// Who is woken when it fires.
    waker: Waker,
}

impl Clock {
    /// Ready once `deadline` has passed and the system was asked again; otherwise
    /// the task is woken no later than then. What the deadline is for must be
    /// polled before. Several deadlines may be polled in turn with one clock.
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
            return self.poll_last_look(cx, now, deadline);
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
            let now = Instant::now();
            if now >= deadline {
                return self.poll_last_look(cx, now, deadline);
            }
            armed.sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Ready if the system was asked since `deadline`; otherwise it will be.
    fn poll_last_look(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        deadline: Instant,
    ) -> Poll<()> {
        match &self.last_look {
            Some(look) if look.is_good_for(deadline, now) => {
                if look.is_over() {
                    return Poll::Ready(());
                }
                if look.waker.will_wake(cx.waker()) {
                    return Poll::Pending;
                }
            }
            _ => {}
        }
        self.last_look = Some(LastLook::ask_for(now, cx));
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
    use std::io::Write;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

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

    /// What a reader with this much time comes to whose bytes are written in time,
    /// while the runtime stands still until the time is up, and then polls it
    /// before it has asked the system for anything.
    async fn reads_after_standing_still(patience: Duration) -> Option<usize> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let (said, told) = tokio::sync::oneshot::channel::<Waker>();
        let mut said = Some(said);
        let reading = tokio::spawn(async move {
            let mut byte = [0];
            let mut read = pin!(ours.read(&mut byte));
            let reading = poll_fn(|cx| {
                let polled = read.as_mut().poll(cx);
                if let Some(said) = said.take() {
                    said.send(cx.waker().clone()).unwrap();
                }
                polled
            });
            within(patience, reading).await.map(Result::unwrap)
        });
        let still = tokio::spawn(async move {
            let reader = told.await.unwrap();
            theirs.write_all(b"x").unwrap();
            std::thread::sleep(patience * 2);
            reader.wake();
        });
        still.await.unwrap();
        reading.await.unwrap()
    }

    #[tokio::test]
    async fn what_came_in_time_while_the_runtime_stood_still_is_read() {
        // A machine that stands still by itself, too, before the byte is written
        // would be right to call it late.
        let times = [20, 200, 2_000].map(Duration::from_millis);
        for patience in times {
            if reads_after_standing_still(patience).await == Some(1) {
                return;
            }
        }
        panic!("a byte was called late that had come in time");
    }

    #[tokio::test]
    async fn a_clock_that_has_run_out_is_ready_however_its_deadline_moves() {
        let mut clock = Clock::default();
        poll_fn(|cx| clock.poll_until(cx, Instant::now())).await;
        let past = Instant::now();
        poll_fn(|cx| clock.poll_until(cx, past)).await;
        assert!(within(Duration::ZERO, std::future::pending::<()>()).await.is_none());
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
