//! Who changes routes, and on which thread.
//!
//! One writer at a time: from looking at a route to changing it nobody else's
//! change comes between. A long content takes a while to be read, made and told
//! of, so that it is done on a thread of its own: the control plane's one thread
//! has health to tell and registrations of the bus to hear meanwhile. Who comes
//! next waits without a thread.

use std::sync::Arc;

use tokio::sync::Mutex;

/// Bytes of a content up to which it is not worth another thread.
const SHORT: usize = 16 << 10;

/// The writers of an admin side.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    turn: Arc<Mutex<()>>,
}

impl Writes {
    /// Does what a content of so many bytes asks for, when it is its turn. It
    /// is done to its end, even if nobody waits for that any more.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        content_bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let turn = self.turn.clone().lock_owned().await;
        if content_bytes <= SHORT {
            return work();
        }
        let beside = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match beside.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime ends, and what waits here with it.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Beyond any patience; only a wait for something that never comes is as long.
    const NEVER: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_long_content_holds_up_nobody_but_the_next_writer() {
        let writes = Writes::default();
        let (go, gone) = mpsc::channel::<()>();
        let long = writes.make(SHORT + 1, move || gone.recv_timeout(NEVER).is_ok());
        let next = writes.make(1, || ());
        let (mut long, mut next) = (std::pin::pin!(long), std::pin::pin!(next));
        // The one thread there is goes on, and the next has no turn yet.
        tokio::select! {
            biased;
            _ = &mut long => panic!("it waits for what comes only now"),
            () = &mut next => panic!("two write at a time"),
            () = std::future::ready(()) => {}
        }
        go.send(()).unwrap();
        assert!(long.await, "it was done on this thread");
        next.await;
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_done_before_the_next() {
        let writes = Writes::default();
        let (go, gone) = mpsc::channel::<()>();
        let (said, heard) = mpsc::channel();
        let then = said.clone();
        {
            let left = writes.make(SHORT + 1, move || {
                gone.recv_timeout(NEVER).unwrap();
                said.send("first").unwrap();
            });
            let mut left = std::pin::pin!(left);
            tokio::select! {
                biased;
                () = &mut left => panic!("it waits for what comes only now"),
                () = std::future::ready(()) => {}
            }
        }
        go.send(()).unwrap();
        writes.make(1, move || then.send("second").unwrap()).await;
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["first", "second"]);
    }
}
