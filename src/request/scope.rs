//! The scope of one request: everything it starts belongs here, and what
//! became of it is told once, when the scope ends.
//!
//! The scope is owned: first by the future that serves the request, then by
//! the reply's body. Whoever drops it last ends the request, however that came
//! about: written whole, failed, cut, or left by the client at any stage.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use http::header::{self, HeaderName, HeaderValue};

use crate::admin::RequestView;
use crate::error::{AttemptOutcome, AttemptRecord, Code, RouterError};
use crate::http1::{FieldLines, Version};
use crate::lifecycle::{Task, TaskKind};
use crate::listen::tls::TlsFacts;
use crate::request::counted::Counted;
use crate::request::phase::Phase;
use crate::request::trace::trace_id;
use crate::request::{ClientAddress, RequestBody, Subject};
use crate::respond::fields::response_trailers;
use crate::route::Pinned;
use crate::router::{Route, RouteId, Snapshot, WorkerRouter};
use crate::sync::Mutex;
use crate::telemetry::access_log::AccessRecord;
use crate::telemetry::metrics::RouteLabel;
use crate::telemetry::{AttemptSummary, RecentError};

/// Names the trace a request belongs to.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// One request in progress: the owner of its record.
pub(crate) struct Scope {
    record: Arc<Record>,
}

/// What is known of a request in progress. The scope writes it, the admin side
/// looks at it; the lock is held for a field at a time and not contended.
pub(crate) struct Record {
    worker: Arc<WorkerRouter>,
    snapshot: Pinned<Snapshot>,
    started: Instant,
    client: ClientAddress,
    request_id: HeaderValue,
    slot: usize,
    live: Mutex<Live>,
}

/// The part that changes.
struct Live {
    phase: Phase,
    subject: Subject,
    route: Option<RouteId>,
    attempts: Vec<AttemptRecord>,
    attempt: u32,
    endpoint: Option<SocketAddr>,
    status: Option<u16>,
    code: Option<Code>,
    detail: Cow<'static, str>,
    head_after: Option<Duration>,
    queued: Option<Duration>,
    queued_since: Option<Instant>,
    bytes_in: u64,
    bytes_out: u64,
    finished: bool,
    tls: Option<Arc<TlsFacts>>,
}

impl Scope {
    /// Begins a request.
    pub(crate) fn open(
        worker: Arc<WorkerRouter>,
        snapshot: Pinned<Snapshot>,
        client: ClientAddress,
        request_id: HeaderValue,
        subject: Subject,
    ) -> Self {
        worker.metrics.request_started();
        let in_flight = worker.clone();
        let record = in_flight.in_flight_records.insert(|slot| Record {
            worker,
            snapshot,
            started: Instant::now(),
            client,
            request_id,
            slot,
            live: Mutex::new(Live {
                phase: Phase::Routing,
                subject,
                route: None,
                attempts: Vec::new(),
                attempt: 0,
                endpoint: None,
                status: None,
                code: None,
                detail: Cow::Borrowed(""),
                head_after: None,
                queued: None,
                queued_since: None,
                bytes_in: 0,
                bytes_out: 0,
                finished: false,
                tls: None,
            }),
        });
        Self { record }
    }

    pub(crate) fn snapshot(&self) -> &Pinned<Snapshot> {
        &self.record.snapshot
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

    pub(crate) fn set_subject(&mut self, subject: Subject) {
        self.record.live.lock().subject = subject;
    }

    /// The client's connection is encrypted like this.
    pub(crate) fn set_tls(&mut self, tls: Option<Arc<TlsFacts>>) {
        if tls.is_some() {
            self.record.live.lock().tls = tls;
        }
    }

    pub(crate) fn set_route(&mut self, route: RouteId) {
        self.record.live.lock().route = Some(route);
    }

    /// A response's trailer section as the route lets it through.
    pub(crate) fn clean_trailers(&self, fields: FieldLines) -> FieldLines {
        match self.record.route(&self.record.live.lock()) {
            Some(route) => response_trailers(fields, &route.response),
            None => fields,
        }
    }

    pub(crate) fn set_phase(&mut self, phase: Phase) {
        self.record.live.lock().phase = phase;
    }

    /// It waits for an endpoint from `now` on.
    pub(crate) fn enter_queue(&mut self, now: Instant) {
        let mut live = self.record.live.lock();
        live.phase = Phase::Queued;
        live.queued_since = Some(now);
    }

    /// It has stopped waiting, with or without an endpoint.
    pub(crate) fn leave_queue(&mut self, now: Instant) {
        let mut live = self.record.live.lock();
        live.queued = live.queued_until(now);
        live.queued_since = None;
    }

    /// Attempt `number` (from 1) goes to `endpoint`.
    pub(crate) fn attempting(&mut self, number: u32, endpoint: SocketAddr) {
        let mut live = self.record.live.lock();
        live.attempt = number;
        live.endpoint = Some(endpoint);
        live.queued.get_or_insert(Duration::ZERO);
    }

    /// The attempt under way ended.
    pub(crate) fn attempted(&mut self, outcome: AttemptOutcome, elapsed: Duration) {
        let mut live = self.record.live.lock();
        let Some(endpoint) = live.endpoint else { return };
        live.attempts.push(AttemptRecord { endpoint, outcome, elapsed });
    }

    /// The attempts that have ended.
    pub(crate) fn attempts(&self) -> Vec<AttemptRecord> {
        self.record.live.lock().attempts.clone()
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
    pub(crate) fn add_bytes_out(&mut self, bytes: u64) {
        self.record.live.lock().bytes_out += bytes;
    }

    /// So many bytes more went through the tunnel.
    pub(crate) fn tunnelled(&mut self, bytes_in: u64, bytes_out: u64) {
        if bytes_in + bytes_out > 0 {
            let mut live = self.record.live.lock();
            live.bytes_in += bytes_in;
            live.bytes_out += bytes_out;
        }
    }

    /// The final head is decided: an app's, or an own answer's.
    pub(crate) fn answered(&mut self, status: u16) {
        let head_after = self.record.started.elapsed();
        let mut live = self.record.live.lock();
        live.status = Some(status);
        live.head_after = Some(head_after);
        live.phase = Phase::Responding;
    }

    /// The final head is decided: an error of the router's. A client that has
    /// left is sent none.
    pub(crate) fn refused(&mut self, error: &RouterError) {
        if error.code != Code::ClientClosed {
            self.answered(error.status().as_u16());
        }
        let mut live = self.record.live.lock();
        live.code = Some(error.code);
        live.detail = error.detail.clone();
        if error.budget_exhausted {
            self.record.worker.metrics.error(Code::RetryBudgetExhausted);
            live.detail = format!("{}; the retry budget is spent", live.detail).into();
        }
    }

    /// All of the answer was handed over.
    pub(crate) fn finish(&mut self) {
        self.record.live.lock().finished = true;
    }

    /// The exchange failed after its head; the first failure is the cause.
    pub(crate) fn fail(&mut self, code: Code) {
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
            log.write(&record.access_record(&live, status, duration));
        }
        if let Some(code) = live.code {
            record.worker.shared.recent_errors.record(record.recent_error(&live, code, status));
        }
    }
}

impl Live {
    /// Whether the last attempt was dropped before it came to anything.
    fn attempt_is_open(&self) -> bool {
        self.attempts.len() < self.attempt as usize
    }

    /// How long it has waited for endpoints in all; `None` if it never came to
    /// be sent to one nor to wait.
    fn queued_until(&self, now: Instant) -> Option<Duration> {
        let waiting = self.queued_since.map(|since| now.saturating_duration_since(since));
        Some(self.queued.unwrap_or_default() + waiting.unwrap_or_default())
            .filter(|_| self.queued.is_some() || waiting.is_some())
    }

    /// What was sent, or for a client that left before, what the log has.
    fn logged_status(&self) -> Option<u16> {
        match (self.code, self.status) {
            (Some(Code::ClientClosed), None) => Some(Code::ClientClosed.log_status()),
            (_, status) => status,
        }
    }
}

impl Record {
    /// So many bytes of content more were taken from the client.
    pub(super) fn add_bytes_in(&self, bytes: u64) {
        self.live.lock().bytes_in += bytes;
    }

    fn route(&self, live: &Live) -> Option<Route<'_>> {
        live.route.map(|id| self.snapshot.route(id))
    }

    /// As the admin side shows it.
    pub(crate) fn view(&self) -> RequestView {
        let live = self.live.lock();
        RequestView {
            id: text(self.request_id.as_bytes()),
            started_unix_ms: self.worker.shared.unix_ms(self.started),
            age_ms: millis(self.started.elapsed()),
            phase: live.phase.as_str().into(),
            client: self.client.peer,
            method: live.subject.method().map(Method::to_string).unwrap_or_default(),
            host: text(live.subject.host()),
            path: text(live.subject.target()),
            route: self.route(&live).map(|route| route.name.to_string()),
            attempt: live.attempt,
            endpoint: live.endpoint,
            bytes_in: live.bytes_in,
            bytes_out: live.bytes_out,
        }
    }

    /// As one of the live tasks.
    pub(crate) fn task(&self) -> Task {
        let live = self.live.lock();
        let method = live.subject.method().map_or("-", Method::as_str);
        let path = live.subject.target().split(|byte| *byte == b'?').next().unwrap_or_default();
        Task {
            kind: TaskKind::Request,
            subject: format!("{method} {}{}", text(live.subject.host()), text(path)),
            state: Some(live.phase.as_str()),
            since: self.started,
        }
    }

    fn access_record<'r>(
        &'r self,
        live: &'r Live,
        status: Option<u16>,
        duration: Duration,
    ) -> AccessRecord<'r> {
        AccessRecord {
            time: SystemTime::now() - duration,
            request_id: self.request_id.as_bytes(),
            client: self.client.peer,
            method: live.subject.method().map_or(b"", |method| method.as_str().as_bytes()),
            host: live.subject.host(),
            target: live.subject.target(),
            version: live.subject.version().map_or("", Version::as_str),
            status,
            code: live.code,
            route: self.route(live).map(|route| &**route.name),
            endpoint: live.endpoint,
            attempts: live.attempt,
            bytes_in: live.bytes_in,
            bytes_out: live.bytes_out,
            duration,
            head: live.head_after,
            queue: live.queued_until(self.started + duration),
            user_agent: live.subject.field(&header::USER_AGENT),
            referer: live.subject.field(&header::REFERER),
            tls: live.tls.as_deref().map(TlsFacts::session),
            trace_id: live.subject.only_field(&TRACEPARENT).and_then(trace_id),
        }
    }

    fn recent_error(&self, live: &Live, code: Code, status: Option<u16>) -> RecentError {
        RecentError {
            time: SystemTime::now(),
            request_id: text(self.request_id.as_bytes()),
            client: self.client.peer,
            method: live.subject.method().map(Method::to_string).unwrap_or_default(),
            host: text(live.subject.host()),
            path: text(live.subject.target()),
            route: self.route(live).map(|route| Arc::clone(route.name)),
            endpoint: live.endpoint,
            code,
            status,
            detail: live.detail.clone(),
            attempts: live.attempts.iter().map(summary).collect(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn summary(record: &AttemptRecord) -> AttemptSummary {
    AttemptSummary {
        endpoint: record.endpoint,
        failure: match record.outcome {
            AttemptOutcome::Answered => None,
            AttemptOutcome::Failed(code) => Some(code),
        },
        elapsed: record.elapsed,
    }
}
