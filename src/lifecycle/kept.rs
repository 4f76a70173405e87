//! One task for each thing that is wanted, and none for what is not.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

/// The tasks of an owner who says from time to time what is wanted. They end
/// with it.
pub(crate) struct Kept<T> {
    /// By what they are for, which stays where it is while it is held here.
    running: HashMap<usize, Running<T>>,
    tasks: JoinSet<()>,
}

struct Running<T> {
    _subject: Arc<T>,
    task: AbortHandle,
}

impl<T> Kept<T> {
    pub(crate) fn new() -> Self {
        Self { running: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Starts a task for all that is wanted and has none, and ends those that
    /// are for anything else. One that ended by itself is started again.
    pub(crate) fn reconcile<F>(
        &mut self,
        wanted: impl IntoIterator<Item = Arc<T>>,
        mut start: impl FnMut(Arc<T>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let named = wanted.into_iter().map(|subject| (Arc::as_ptr(&subject) as usize, subject));
        let wanted: HashMap<usize, Arc<T>> = named.collect();
        self.running.retain(|name, running| {
            let stays = wanted.contains_key(name) && !running.task.is_finished();
            if !stays {
                running.task.abort();
            }
            stays
        });
        for (name, subject) in wanted {
            self.running.entry(name).or_insert_with(|| {
                let task = self.tasks.spawn(start(subject.clone()));
                Running { _subject: subject, task }
            });
        }
        while self.tasks.try_join_next().is_some() {}
    }

    /// Ends them all; the next look starts them anew.
    pub(crate) fn end_all(&mut self) {
        self.tasks.abort_all();
        self.running.clear();
    }

    /// Waits until one has ended; for ever if there is none.
    pub(crate) async fn one_ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Ends them all and waits until they have.
    pub(crate) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;

    #[tokio::test]
    async fn each_thing_has_one_task_while_it_is_wanted() {
        let (one, two) = (Arc::new(1), Arc::new(2));
        let starts = AtomicUsize::new(0);
        let endless = |_| {
            starts.fetch_add(1, SeqCst);
            std::future::pending()
        };
        let mut kept = Kept::new();
        kept.reconcile([one.clone(), two.clone(), one.clone()], endless);
        kept.reconcile([two.clone(), one.clone()], endless);
        assert_eq!((starts.load(SeqCst), kept.tasks.len()), (2, 2));
        kept.reconcile([two.clone()], endless);
        kept.one_ended().await;
        assert_eq!((starts.load(SeqCst), kept.tasks.len()), (2, 1));
        assert_eq!(Arc::strong_count(&one), 1, "nothing is held for it");
        kept.end_all();
        kept.reconcile([two], endless);
        assert_eq!(starts.load(SeqCst), 3);
        kept.shutdown().await;
    }

    #[tokio::test]
    async fn a_task_that_panicked_is_started_again() {
        let one = Arc::new(1);
        let mut kept = Kept::new();
        kept.reconcile([one.clone()], |_| async {
            std::panic::resume_unwind(Box::new(()));
        });
        kept.one_ended().await;
        kept.reconcile([one], |_| std::future::pending());
        assert_eq!(kept.tasks.len(), 1);
    }
}
