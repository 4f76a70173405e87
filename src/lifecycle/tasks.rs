//! What is alive in this process: every task and thread, by kind.
//!
//! A leak is found by asking what is alive, how long already, and on whose
//! behalf. So nothing is started but through [`Tasks`], or is listed where it
//! already has a place: client connections by their worker, requests by their
//! records. What is started here lives long or is rare, so one lock serves
//! all; no request takes it.

use std::future::Future;
use std::time::Instant;
use std::{io, thread};

use tokio::task::JoinHandle;

use crate::sync::{Arc, Mutex};

/// What a task is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// A data-plane thread.
    Worker,
    /// Takes connections off one listener, for one worker.
    Accept,
    /// Proves that a worker turns, and sweeps its pools.
    Heartbeat,
    /// Serves one client connection.
    Connection,
    /// One request; it lives inside its connection's task.
    Request,
    /// Takes connections of the admin side.
    Admin,
    /// Serves one connection of the admin side.
    AdminConnection,
    /// Takes a profile.
    Profile,
    /// Attends to signals.
    Signals,
    /// Waits for a drain, then goes through its stages.
    Drain,
    /// Notices workers that no longer turn.
    Watchdog,
    /// Reloads the configuration when its file changes.
    Reload,
    /// Ends what registered routes are due for.
    Expiry,
    /// Ends and starts probers as the table has it.
    ProbeKeeper,
    /// Probes one endpoint.
    Probe,
    /// Listens to the bus that endpoints register on.
    Nats,
    /// Ends and starts askers for names as the table has it.
    ResolveKeeper,
    /// Asks for one name.
    Resolve,
    /// The thread that writes the access log.
    AccessLog,
    /// A thread that writes the snapshot of the live routes.
    Snapshot,
}

impl TaskKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 20] = [
        Self::Worker,
        Self::Accept,
        Self::Heartbeat,
        Self::Connection,
        Self::Request,
        Self::Admin,
        Self::AdminConnection,
        Self::Profile,
        Self::Signals,
        Self::Drain,
        Self::Watchdog,
        Self::Reload,
        Self::Expiry,
        Self::ProbeKeeper,
        Self::Probe,
        Self::Nats,
        Self::ResolveKeeper,
        Self::Resolve,
        Self::AccessLog,
        Self::Snapshot,
    ];

    /// As `/debug/tasks` and the label `kind` have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Accept => "accept",
            Self::Heartbeat => "heartbeat",
            Self::Connection => "connection",
            Self::Request => "request",
            Self::Admin => "admin",
            Self::AdminConnection => "admin-connection",
            Self::Profile => "profile",
            Self::Signals => "signals",
            Self::Drain => "drain",
            Self::Watchdog => "watchdog",
            Self::Reload => "reload",
            Self::Expiry => "expiry",
            Self::ProbeKeeper => "probe-keeper",
            Self::Probe => "probe",
            Self::Nats => "nats",
            Self::ResolveKeeper => "resolve-keeper",
            Self::Resolve => "resolve",
            Self::AccessLog => "access-log",
            Self::Snapshot => "snapshot",
        }
    }
}

/// A task that is alive.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) kind: TaskKind,
    /// What it works on or for whom: an address, a target, a file.
    pub(crate) subject: String,
    /// What it is doing, where that is known.
    pub(crate) state: Option<&'static str>,
    pub(crate) since: Instant,
}

/// The tasks of one process, those of the data plane's connections and
/// requests aside.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    live: Mutex<Live>,
}

/// Places are reused, so that the list is as long as the most there ever were.
#[derive(Debug, Default)]
struct Live {
    tasks: Vec<Option<Task>>,
    free: Vec<usize>,
}

impl Tasks {
    /// Lists a task until the guard drops.
    pub(crate) fn enter(self: &Arc<Self>, kind: TaskKind, subject: String) -> TaskGuard {
        let task = Some(Task { kind, subject, state: None, since: Instant::now() });
        let mut live = self.live.lock();
        let place = live.free.pop().unwrap_or(live.tasks.len());
        if place == live.tasks.len() {
            live.tasks.push(task);
        } else {
            live.tasks[place] = task;
        }
        TaskGuard { tasks: self.clone(), place }
    }

    /// `work`, listed from now until it has ended or was dropped.
    pub(crate) fn track<F: Future>(
        self: &Arc<Self>,
        kind: TaskKind,
        subject: String,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let listed = self.enter(kind, subject);
        async move {
            let output = work.await;
            drop(listed);
            output
        }
    }

    /// Spawns `work` on the runtime that calls.
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        kind: TaskKind,
        subject: String,
        work: F,
    ) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(self.track(kind, subject, work))
    }

    /// Starts a thread of this name.
    ///
    /// # Errors
    /// If the system has no thread to spare.
    pub(crate) fn spawn_thread<T: Send + 'static>(
        self: &Arc<Self>,
        kind: TaskKind,
        name: String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<thread::JoinHandle<T>> {
        let listed = self.enter(kind, name.clone());
        thread::Builder::new().name(name).spawn(move || {
            let output = work();
            drop(listed);
            output
        })
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> Vec<Task> {
        self.live.lock().tasks.iter().flatten().cloned().collect()
    }
}

/// A task's place in the list, given back when this drops.
#[derive(Debug)]
pub(crate) struct TaskGuard {
    tasks: Arc<Tasks>,
    place: usize,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        let mut live = self.tasks.live.lock();
        live.tasks[self.place] = None;
        live.free.push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(tasks: &Tasks) -> Vec<TaskKind> {
        tasks.all().iter().map(|task| task.kind).collect()
    }

    #[tokio::test]
    async fn a_task_is_listed_until_it_ends_or_is_aborted() {
        let tasks = Arc::new(Tasks::default());
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let ending = tasks.spawn(TaskKind::Drain, "one".into(), async move { drop(gone.await) });
        let endless = tasks.spawn(TaskKind::Signals, "two".into(), std::future::pending::<()>());
        assert_eq!(kinds(&tasks), [TaskKind::Drain, TaskKind::Signals], "before they are polled");
        drop(go);
        ending.await.unwrap();
        assert_eq!(kinds(&tasks), [TaskKind::Signals]);
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
        assert!(kinds(&tasks).is_empty());
    }

    #[test]
    fn a_thread_that_panics_is_not_listed_any_more() {
        let tasks = Arc::new(Tasks::default());
        let thread = tasks.spawn_thread(TaskKind::Worker, "test".into(), || {
            // Not `panic!`, whose message would stand among the test's own.
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(thread.unwrap().join().is_err());
        assert!(tasks.all().is_empty());
    }

    #[test]
    fn places_are_used_again() {
        let tasks = Arc::new(Tasks::default());
        for _ in 0..100 {
            let _one = tasks.enter(TaskKind::Admin, "one".into());
            let _two = tasks.enter(TaskKind::Admin, "two".into());
        }
        assert_eq!(tasks.live.lock().tasks.len(), 2);
    }
}
