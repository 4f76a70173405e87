//! What is known of one request, and how it is told: to the admin side while
//! it is in progress, to the access log and the list of errors when it is over.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::Method;
use http::header::{self, HeaderName, HeaderValue};

use crate::admin::RequestView;
use crate::error::{AttemptOutcome, AttemptRecord, Code};
use crate::lifecycle::{Task, TaskKind};
use crate::listen::tls::TlsFacts;
use crate::request::phase::Phase;
use crate::request::tables::Tables;
use crate::request::trace::trace_id;
use crate::request::{ClientAddress, Subject};
use crate::router::{Route, RouteId, Snapshot, WorkerRouter};
use crate::sync::Mutex;
use crate::telemetry::access_log::AccessRecord;
use crate::telemetry::{AttemptSummary, RecentError};

/// Names the trace a request belongs to.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is known of a request in progress. The scope writes it, the admin side
/// looks at it; the lock is held for a field at a time and not contended.
pub(crate) struct Record {
    pub(super) worker: Arc<WorkerRouter>,
    pub(super) tables: Tables<Snapshot>,
    pub(super) started: Instant,
    pub(super) client: ClientAddress,
    pub(super) request_id: HeaderValue,
    pub(super) slot: usize,
    pub(super) live: Mutex<Live>,
}

/// The part that changes.
pub(super) struct Live {
    pub(super) phase: Phase,
    /// What a tunnel carries.
    pub(super) protocol: Option<HeaderValue>,
    pub(super) subject: Subject,
    pub(super) route: Option<RouteId>,
    pub(super) failed_attempts: Vec<AttemptRecord>,
    /// How long the attempt took that was answered, if one was: nearly always
    /// the only one, which needs no list.
    pub(super) answered_after: Option<Duration>,
    pub(super) attempt: u32,
    pub(super) endpoint: Option<SocketAddr>,
    pub(super) status: Option<u16>,
    pub(super) code: Option<Code>,
    pub(super) detail: Cow<'static, str>,
    pub(super) head_after: Option<Duration>,
    pub(super) queued: Option<Duration>,
    pub(super) queued_since: Option<Instant>,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) finished: bool,
    pub(super) tls: Option<Arc<TlsFacts>>,
}

impl Live {
    pub(super) fn new(subject: Subject) -> Self {
        Self {
            phase: Phase::Routing,
            protocol: None,
            subject,
            route: None,
            failed_attempts: Vec::new(),
            answered_after: None,
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
        }
    }

    /// Whether the last attempt was dropped before it came to anything.
    pub(super) fn attempt_is_open(&self) -> bool {
        let ended = self.failed_attempts.len() + usize::from(self.answered_after.is_some());
        ended < self.attempt as usize
    }

    /// The attempts that have ended.
    pub(super) fn attempts(&self) -> impl Iterator<Item = AttemptRecord> {
        let answered = self.endpoint.zip(self.answered_after).map(|(endpoint, elapsed)| {
            AttemptRecord { endpoint, outcome: AttemptOutcome::Answered, elapsed }
        });
        self.failed_attempts.iter().cloned().chain(answered)
    }

    /// How long it has waited for endpoints in all; `None` if it never came to
    /// be sent to one nor to wait.
    pub(super) fn queued_until(&self, now: Instant) -> Option<Duration> {
        let waiting = self.queued_since.map(|since| now.saturating_duration_since(since));
        Some(self.queued.unwrap_or_default() + waiting.unwrap_or_default())
            .filter(|_| self.queued.is_some() || waiting.is_some())
    }

    /// What was sent, or for a client that left before, what the log has.
    pub(super) fn logged_status(&self) -> Option<u16> {
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

    /// Its route; the table it is of changes only together with it, under the
    /// lock that `live` is of.
    pub(super) fn route(&self, live: &Live) -> Option<Route<'_>> {
        live.route.map(|id| self.tables.current().route(id))
    }

    /// As the admin side shows it.
    pub(crate) fn view(&self) -> RequestView {
        let live = self.live.lock();
        RequestView {
            id: text(self.request_id.as_bytes()),
            started_unix_ms: self.worker.shared.unix_ms(self.started),
            age_ms: millis(self.started.elapsed()),
            phase: live.phase.as_str().into(),
            protocol: live.protocol.as_ref().map(|protocol| text(protocol.as_bytes())),
            client: self.client.peer,
            method: live.subject.method().map(Method::to_string).unwrap_or_default(),
            host: live.subject.host().unwrap_or_default().into_owned(),
            path: text(live.subject.target().unwrap_or_default()),
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
        let target = live.subject.target().unwrap_or_default();
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        Task {
            kind: TaskKind::Request,
            subject: format!(
                "{method} {}{}",
                live.subject.host().unwrap_or_default().into_owned(),
                text(path)
            ),
            state: Some(live.phase.as_str()),
            since: self.started,
        }
    }

    pub(super) fn access_record<'r>(
        &'r self,
        live: &'r Live,
        host: Option<&'r str>,
        status: Option<u16>,
        duration: Duration,
    ) -> AccessRecord<'r> {
        AccessRecord {
            time: SystemTime::now() - duration,
            request_id: self.request_id.as_bytes(),
            client: self.client.peer,
            method: live.subject.method().map(|method| method.as_str().as_bytes()),
            host: host.map(str::as_bytes),
            target: live.subject.target(),
            version: live.subject.version_text(),
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

    pub(super) fn recent_error(&self, live: &Live, code: Code, status: Option<u16>) -> RecentError {
        RecentError {
            time: SystemTime::now(),
            request_id: text(self.request_id.as_bytes()),
            client: self.client.peer,
            method: live.subject.method().map(Method::to_string).unwrap_or_default(),
            host: live.subject.host().unwrap_or_default().into_owned(),
            path: text(live.subject.target().unwrap_or_default()),
            route: self.route(live).map(|route| Arc::clone(route.name)),
            endpoint: live.endpoint,
            code,
            status,
            detail: live.detail.clone(),
            attempts: live.attempts().map(summary).collect(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn summary(record: AttemptRecord) -> AttemptSummary {
    AttemptSummary {
        endpoint: record.endpoint,
        failure: match record.outcome {
            AttemptOutcome::Answered => None,
            AttemptOutcome::Failed(code) => Some(code),
        },
        elapsed: record.elapsed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_in_line_add_up_and_who_never_waited_has_none() {
        let mut live = Live::new(Subject::Nothing);
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(live.queued_until(now), None);
        live.queued_since = Some(now);
        assert_eq!(live.queued_until(now + ms(30)), Some(ms(30)));
        (live.queued, live.queued_since) = (Some(ms(30)), None);
        assert_eq!(live.queued_until(now + ms(90)), Some(ms(30)), "it waits no more");
        live.queued_since = Some(now + ms(100));
        assert_eq!(live.queued_until(now + ms(105)), Some(ms(35)), "it waits again");
    }
}
