//! The scope of one request: everything it starts belongs here, and what
//! became of it is told once, when the scope ends.
//!
//! The scope is owned: first by the future that serves the request, then by
//! the reply's body. Whoever drops it last ends the request, however that came
//! about: written whole, failed, cut, or left by the client at any stage.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::HeaderValue;

use crate::error::{AttemptOutcome, AttemptRecord, Code, RouterError};
use crate::http1::FieldLines;
use crate::listen::tls::TlsFacts;
use crate::request::counted::Counted;
use crate::request::phase::Phase;
use crate::request::record::{Live, Record};
use crate::request::tables::Tables;
use crate::request::{ClientAddress, RequestBody, Subject};
use crate::respond::fields::{NamedFields, response_trailers};
use crate::route::Pinned;
use crate::router::{RouteId, Snapshot, WorkerRouter};
use crate::sync::Mutex;
use crate::telemetry::metrics::RouteLabel;

/// One request in progress: the owner of its record.
pub(crate) struct Scope {
    record: Arc<Record>,
}

impl Scope {
    /// Begins a request, now unless it began before.
    pub(crate) fn open(
        worker: Arc<WorkerRouter>,
        snapshot: Pinned<Snapshot>,
        client: ClientAddress,
        request_id: HeaderValue,
        subject: Subject,
        began: Option<Instant>,
    ) -> Self {
        worker.metrics.request_started();
        let in_flight = worker.clone();
        let record = in_flight.in_flight_records.insert(|slot| Record {
            worker,
            tables: Tables::new(snapshot),
            started: began.unwrap_or_else(now),
            client,
            request_id,
            slot,
            live: Mutex::new(Live::new(subject)),
        });
        Self { record }
    }

    /// The table it works on: the one it began with, unless it
    /// [moved](Self::move_to).
    pub(crate) fn snapshot(&self) -> &Pinned<Snapshot> {
        self.record.tables.current()
    }

    pub(crate) fn worker(&self) -> &WorkerRouter {
        &self.record.worker
    }

    pub(crate) fn started(&self) -> Instant {
        self.record.started
    }

    pub(crate) fn request_id(&self) -> &HeaderValue {
        &self.record.request_id
    }

    /// Looks at what is known of the head.
    pub(crate) fn with_subject<T>(&self, look: impl FnOnce(&Subject) -> T) -> T {
        look(&self.record.live.lock().subject)
    }

    pub(crate) fn set_subject(&self, subject: Subject) {
        self.record.live.lock().subject = subject;
    }

    /// The client's connection is encrypted like this.
    pub(crate) fn set_tls(&self, tls: Option<Arc<TlsFacts>>) {
        if tls.is_some() {
            self.record.live.lock().tls = tls;
        }
    }

    /// Whether its client's connection cannot bring what it was made for any
    /// more.
    pub(crate) fn is_on_stale_tls(&self) -> bool {
        let live = self.record.live.lock();
        live.tls.as_ref().is_some_and(|tls| self.snapshot().outlived(tls))
    }

    pub(crate) fn set_route(&self, route: RouteId) {
        self.record.live.lock().route = Some(route);
    }

    /// Whether it may go on to a newer table once more.
    pub(crate) fn may_move(&self) -> bool {
        self.record.tables.may_move()
    }

    /// From now on it works on this table, where this is its route; whether it
    /// [might](Self::may_move). Only while no attempt of it is under way.
    pub(crate) fn move_to(&self, table: Pinned<Snapshot>, route: RouteId) -> bool {
        let mut live = self.record.live.lock();
        let moved = self.record.tables.move_to(table);
        if moved {
            live.route = Some(route);
        }
        moved
    }

    /// A response's trailer section as the route lets it through, behind a head
    /// whose `Connection` named these fields.
    pub(crate) fn clean_trailers(&self, fields: FieldLines, named: &NamedFields) -> FieldLines {
        match self.record.route(&self.record.live.lock()) {
            Some(route) => response_trailers(fields, named, &route.response),
            // Without a route there is no endpoint that could have sent it.
            None => FieldLines::new(),
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.record.live.lock().phase = phase;
    }

    /// The connection is switched to `protocol`.
    pub(crate) fn switched(&self, protocol: HeaderValue) {
        let mut live = self.record.live.lock();
        live.phase = Phase::Tunnel;
        live.protocol = Some(protocol);
    }

    /// It waits for an endpoint from `now` on.
    pub(crate) fn enter_queue(&self, now: Instant) {
        let mut live = self.record.live.lock();
        live.phase = Phase::Queued;
        live.queued_since = Some(now);
    }

    /// It has stopped waiting, with or without an endpoint.
    pub(crate) fn leave_queue(&self, now: Instant) {
        let mut live = self.record.live.lock();
        live.queued = live.queued_until(now);
        live.queued_since = None;
    }

    /// Attempt `number` (from 1) goes to `endpoint`.
    pub(crate) fn attempting(&self, number: u32, endpoint: SocketAddr) {
        let mut live = self.record.live.lock();
        live.attempt = number;
        live.endpoint = Some(endpoint);
        live.queued.get_or_insert(Duration::ZERO);
    }

    /// The attempt under way ended.
    pub(crate) fn attempted(&self, outcome: AttemptOutcome, elapsed: Duration) {
        let mut live = self.record.live.lock();
        let Some(endpoint) = live.endpoint else { return };
        match outcome {
            AttemptOutcome::Answered => live.answered_after = Some(elapsed),
            AttemptOutcome::Failed(_) => {
                live.failed_attempts.push(AttemptRecord { endpoint, outcome, elapsed });
            }
        }
    }

    /// The attempts that have ended.
    pub(crate) fn attempts(&self) -> Vec<AttemptRecord> {
        self.record.live.lock().attempts().collect()
    }

    /// The same content, counted as it is taken from the client: whoever
    /// looks meanwhile sees it, and a request that is dropped keeps it.
    pub(crate) fn counted(&self, body: RequestBody) -> RequestBody {
        match body {
            RequestBody::Empty => RequestBody::Empty,
            RequestBody::Source(source) => {
                RequestBody::Source(Box::new(Counted::new(source, self.record.clone())))
            }
        }
    }

    /// Content given to the client, in bytes, besides what there was.
    pub(crate) fn add_bytes_out(&self, bytes: u64) {
        self.record.live.lock().bytes_out += bytes;
    }

    /// So many bytes more went through the tunnel.
    pub(crate) fn tunnelled(&self, bytes_in: u64, bytes_out: u64) {
        if bytes_in + bytes_out > 0 {
            let mut live = self.record.live.lock();
            live.bytes_in += bytes_in;
            live.bytes_out += bytes_out;
        }
    }

    /// The final head is decided now: an own answer's.
    pub(crate) fn answered(&self, status: u16) {
        self.answered_at(status, now());
    }

    /// The final head was decided at this moment: an app's.
    pub(crate) fn answered_at(&self, status: u16, now: Instant) {
        let mut live = self.record.live.lock();
        live.status = Some(status);
        live.head_after = Some(now.saturating_duration_since(self.record.started));
        live.phase = Phase::Responding;
    }

    /// The final head is decided: an error of the router's. A client that has
    /// left is sent none.
    pub(crate) fn refused(&self, error: &RouterError) {
        if error.code != Code::ClientClosed {
            self.answered(error.status().as_u16());
        }
        let mut live = self.record.live.lock();
        live.code = Some(error.code);
        live.detail = match &error.reason {
            Some(reason) => reason.clone().into_string().into(),
            None => error.detail.clone(),
        };
        if error.budget_exhausted {
            self.record.worker.metrics.error(Code::RetryBudgetExhausted);
            live.detail = format!("{}; the retry budget is spent", live.detail).into();
        }
    }

    /// All of the answer was handed over.
    pub(crate) fn finish(&self) {
        self.record.live.lock().finished = true;
    }

    /// The exchange failed after its head; the first failure is the cause.
    pub(crate) fn fail(&self, code: Code) {
        let mut live = self.record.live.lock();
        if !live.finished {
            live.finished = true;
            if live.code.is_none() {
                live.code = Some(code);
                live.detail = Cow::Borrowed(code.summary());
            }
        }
    }
}

/// By the clock that deadlines run on.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Drop for Scope {
    fn drop(&mut self) {
        let record = &*self.record;
        record.worker.in_flight_records.remove(record.slot);
        let mut live = record.live.lock();
        if !live.finished {
            live.finished = true;
            live.code.get_or_insert(record.worker.code_of_dropped());
        }
        let metrics = &record.worker.metrics;
        if live.attempt_is_open() {
            metrics.attempt_finished(Some(live.code.unwrap_or(Code::ClientClosed)));
        }
        let duration = record.started.elapsed();
        let status = live.logged_status();
        let label = record.route(&live).map_or(RouteLabel::NONE, |route| route.label);
        metrics.request_finished(label, status.unwrap_or(0), live.code, duration);
        let log = &record.worker.access_log;
        if log.enabled() {
            let host = live.subject.host();
            log.write(&record.access_record(&live, host.as_deref(), status, duration));
        }
        if let Some(code) = live.code {
            let (worker, error) = (&record.worker, record.recent_error(&live, code, status));
            worker.shared.recent_errors.record(worker.index, error);
        }
    }
}
