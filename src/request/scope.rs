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

use crate::error::{AttemptOutcome, AttemptRecord, Code, RouterError};
use crate::http1::{FieldLines, ParsedRequest, SeenHead, Version};
use crate::request::{ClientAddress, RequestHead};
use crate::route::Pinned;
use crate::router::{Route, Snapshot, WorkerRouter};
use crate::telemetry::{AccessRecord, AttemptSummary, RecentError, RouteLabel};

/// One request in progress.
pub(crate) struct Scope {
    inner: Box<Inner>,
}

struct Inner {
    worker: Arc<WorkerRouter>,
    snapshot: Pinned<Snapshot>,
    started: Instant,
    client: ClientAddress,
    request_id: HeaderValue,
    subject: Subject,
    route: Option<(RouteLabel, Arc<str>)>,
    attempts: Vec<AttemptRecord>,
    endpoint: Option<SocketAddr>,
    status: Option<u16>,
    code: Option<Code>,
    detail: Cow<'static, str>,
    head_after: Option<Duration>,
    queued: Option<Duration>,
    bytes_in: u64,
    bytes_out: u64,
    finished: bool,
}

/// As much of a request's head as there is.
pub(crate) enum Subject {
    /// No head could be read, or none had come yet.
    Nothing,
    /// What could be read of a refused head.
    Seen(Box<SeenHead>),
    /// A head that was not admitted.
    Parsed(Box<ParsedRequest>),
    /// An admitted one.
    Head(Arc<RequestHead>),
}

impl Subject {
    pub(crate) fn method(&self) -> Option<&Method> {
        match self {
            Self::Nothing => None,
            Self::Seen(seen) => seen.method.as_ref(),
            Self::Parsed(parsed) => Some(&parsed.method),
            Self::Head(head) => Some(head.method()),
        }
    }

    pub(crate) fn fields(&self) -> Option<&FieldLines> {
        match self {
            Self::Nothing => None,
            Self::Seen(seen) => Some(&seen.fields),
            Self::Parsed(parsed) => Some(&parsed.fields),
            Self::Head(head) => Some(head.fields()),
        }
    }

    pub(crate) fn version(&self) -> Option<Version> {
        match self {
            Self::Nothing | Self::Seen(_) => None,
            Self::Parsed(parsed) => Some(parsed.version),
            Self::Head(head) => Some(head.version()),
        }
    }

    fn target(&self) -> &[u8] {
        match self {
            Self::Nothing => b"",
            Self::Seen(seen) => seen.target.as_deref().unwrap_or_default(),
            Self::Parsed(parsed) => &parsed.target,
            Self::Head(head) => head.target(),
        }
    }

    fn host(&self) -> &[u8] {
        match self {
            Self::Head(head) => head.host().as_bytes(),
            _ => self.field(&header::HOST).unwrap_or_default(),
        }
    }

    fn field(&self, name: &HeaderName) -> Option<&[u8]> {
        self.fields()?.first(name).map(HeaderValue::as_bytes)
    }
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
        Self {
            inner: Box::new(Inner {
                worker,
                snapshot,
                started: Instant::now(),
                client,
                request_id,
                subject,
                route: None,
                attempts: Vec::new(),
                endpoint: None,
                status: None,
                code: None,
                detail: Cow::Borrowed(""),
                head_after: None,
                queued: None,
                bytes_in: 0,
                bytes_out: 0,
                finished: false,
            }),
        }
    }

    pub(crate) fn snapshot(&self) -> &Pinned<Snapshot> {
        &self.inner.snapshot
    }

    pub(crate) fn started(&self) -> Instant {
        self.inner.started
    }

    pub(crate) fn request_id(&self) -> &HeaderValue {
        &self.inner.request_id
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.inner.subject
    }

    pub(crate) fn set_subject(&mut self, subject: Subject) {
        self.inner.subject = subject;
    }

    pub(crate) fn set_route(&mut self, route: &Route) {
        self.inner.route = Some((route.label, route.name.clone()));
    }

    /// An endpoint was chosen for an attempt.
    pub(crate) fn set_endpoint(&mut self, endpoint: SocketAddr) {
        let inner = &mut *self.inner;
        inner.endpoint = Some(endpoint);
        inner.queued.get_or_insert(Duration::ZERO);
    }

    /// An attempt ended.
    pub(crate) fn attempted(&mut self, outcome: AttemptOutcome, elapsed: Duration) {
        let Some(endpoint) = self.inner.endpoint else { return };
        self.inner.attempts.push(AttemptRecord { endpoint, outcome, elapsed });
    }

    pub(crate) fn attempts(&self) -> &[AttemptRecord] {
        &self.inner.attempts
    }

    pub(crate) fn add_bytes_in(&mut self, bytes: u64) {
        self.inner.bytes_in += bytes;
    }

    pub(crate) fn add_bytes_out(&mut self, bytes: u64) {
        self.inner.bytes_out += bytes;
    }

    /// The final head is decided: an app's.
    pub(crate) fn answered(&mut self, status: u16) {
        self.inner.status = Some(status);
        self.inner.head_after = Some(self.inner.started.elapsed());
    }

    /// The final head is decided: an error of the router's.
    pub(crate) fn refused(&mut self, error: &RouterError) {
        self.answered(error.status().as_u16());
        self.inner.code = Some(error.code);
        self.inner.detail = error.detail.clone();
    }

    /// All of the answer was handed over.
    pub(crate) fn finish(&mut self) {
        self.inner.finished = true;
    }

    /// The exchange failed after its head; the first failure is the cause.
    pub(crate) fn fail(&mut self, code: Code) {
        if !self.inner.finished {
            self.inner.finished = true;
            self.inner.code.get_or_insert(code);
        }
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.inner.finished {
            self.inner.finished = true;
            self.inner.code.get_or_insert(Code::ClientClosed);
        }
        let inner = &*self.inner;
        let duration = inner.started.elapsed();
        let status = inner.logged_status();
        let label = inner.route.as_ref().map_or(RouteLabel::OTHER, |(label, _)| *label);
        inner.worker.metrics.request_finished(label, status.unwrap_or(0), inner.code, duration);
        let log = &inner.worker.access_log;
        if log.enabled() {
            log.write(&inner.access_record(status, duration));
        }
        if let Some(code) = inner.code {
            inner.worker.shared.recent_errors.push(inner.recent_error(code, status));
        }
    }
}

impl Inner {
    /// What was sent, or for a client that left before, what the log has.
    fn logged_status(&self) -> Option<u16> {
        match (self.code, self.status) {
            (Some(Code::ClientClosed), None) => Some(Code::ClientClosed.log_status()),
            (_, status) => status,
        }
    }

    fn access_record(&self, status: Option<u16>, duration: Duration) -> AccessRecord<'_> {
        AccessRecord {
            time: SystemTime::now() - duration,
            request_id: self.request_id.as_bytes(),
            client: self.client.peer,
            method: self.subject.method().map_or(b"", |method| method.as_str().as_bytes()),
            host: self.subject.host(),
            target: self.subject.target(),
            version: self.subject.version().map_or("", Version::as_str),
            status,
            code: self.code,
            route: self.route.as_ref().map(|(_, name)| &**name),
            endpoint: self.endpoint,
            attempts: u32::try_from(self.attempts.len()).unwrap_or(u32::MAX),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration,
            head: self.head_after,
            queue: self.queued,
            user_agent: self.subject.field(&header::USER_AGENT),
            referer: self.subject.field(&header::REFERER),
            tls: None,
            trace_id: None,
        }
    }

    fn recent_error(&self, code: Code, status: Option<u16>) -> RecentError {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        RecentError {
            time: SystemTime::now(),
            request_id: text(self.request_id.as_bytes()),
            client: self.client.peer,
            method: self.subject.method().map(Method::to_string).unwrap_or_default(),
            host: text(self.subject.host()),
            path: text(self.subject.target()),
            route: self.route.as_ref().map(|(_, name)| name.clone()),
            endpoint: self.endpoint,
            code,
            status,
            detail: self.detail.clone(),
            attempts: self.attempts.iter().map(summary).collect(),
        }
    }
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
