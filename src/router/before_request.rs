//! What comes to nothing before there is a request: heads that cannot be read,
//! and connections on which none came because their prelude failed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::error::{Code, RouterError};
use crate::http1::{ParsedRequest, Refusal, SeenHead};
use crate::listen::tls::TlsFacts;
use crate::request::{ClientAddress, Scope, Subject};
use crate::respond::Reply;
use crate::router::{Router, WorkerRouter, exchange, own};
use crate::telemetry::RecentError;
use crate::telemetry::access_log::AccessRecord;

/// What is known of the TLS under a head; `None` without TLS.
type Tls = Option<Arc<TlsFacts>>;

impl Router {
    /// The reply to a head that was refused, and that began to come then, if it
    /// did not come at once.
    pub(crate) fn refuse(
        &self,
        refusal: Refusal,
        began: Option<Instant>,
        client: &ClientAddress,
        tls: Tls,
    ) -> Box<Reply> {
        let error = RouterError::new(refusal.kind.code(), refusal.kind.to_string());
        let subject = refusal.seen.map_or(Subject::Nothing, Subject::Seen);
        self.refuse_with(error, subject, began, client, tls)
    }

    /// The reply to a head that stopped coming, of which so much had come since
    /// then.
    pub(crate) fn time_out_head(
        &self,
        seen: Option<Box<SeenHead>>,
        began: Instant,
        client: &ClientAddress,
        tls: Tls,
    ) -> Box<Reply> {
        let error = RouterError::from(Code::RequestHeadTimeout);
        let subject = seen.map_or(Subject::Nothing, Subject::Seen);
        self.refuse_with(error, subject, Some(began), client, tls)
    }

    /// The reply on a connection there is no room for, to its request if that
    /// has come.
    pub(crate) fn refuse_crowded(
        &self,
        request: Option<Box<ParsedRequest>>,
        client: &ClientAddress,
        tls: Tls,
    ) -> Box<Reply> {
        let subject = request.map_or(Subject::Nothing, Subject::Parsed);
        let detail = "as many connections are open as the router takes, and none is idle";
        let error = RouterError::new(Code::Overloaded, detail);
        self.refuse_with(error, subject, None, client, tls)
    }

    fn refuse_with(
        &self,
        error: RouterError,
        subject: Subject,
        began: Option<Instant>,
        client: &ClientAddress,
        tls: Tls,
    ) -> Box<Reply> {
        let snapshot = self.pin();
        let id = exchange::fresh_id();
        let scope = Scope::open(self.worker().clone(), snapshot, *client, id, subject, began);
        scope.set_tls(tls);
        let mut reply = own::error_reply(scope, error);
        reply.close = true;
        reply
    }
}

/// A connection that came to nothing.
#[derive(Debug)]
pub(crate) struct ConnectionFailure {
    /// Why.
    pub(crate) code: Code,
    /// Why, in a sentence.
    pub(crate) detail: String,
    /// The client, as far as it was named.
    pub(crate) client: SocketAddr,
    /// The server name it asked for, if it came to that.
    pub(crate) host: Option<String>,
    /// When it was accepted.
    pub(crate) began: Instant,
}

impl WorkerRouter {
    /// Counts a connection that came to nothing and writes its line of the
    /// access log, which has an id like any other. With `shown` it appears
    /// under `/errors` too.
    pub(crate) fn connection_failed(&self, failure: ConnectionFailure, shown: bool) {
        let ConnectionFailure { code, detail, client, host, began } = failure;
        self.metrics.error(code);
        let request_id = exchange::fresh_id();
        let duration = began.elapsed();
        let now = SystemTime::now();
        if self.access_log.enabled() {
            self.access_log.write(&AccessRecord {
                time: now - duration,
                request_id: request_id.as_bytes(),
                client,
                method: None,
                host: host.as_deref().map(str::as_bytes),
                target: None,
                version: None,
                status: None,
                code: Some(code),
                route: None,
                endpoint: None,
                attempts: 0,
                bytes_in: 0,
                bytes_out: 0,
                duration,
                head: None,
                queue: None,
                user_agent: None,
                referer: None,
                tls: None,
                trace_id: None,
            });
        }
        if shown {
            self.shared.recent_errors.record_connection(RecentError {
                time: now,
                request_id: String::from_utf8_lossy(request_id.as_bytes()).into_owned(),
                client,
                method: String::new(),
                host: host.unwrap_or_default(),
                path: String::new(),
                route: None,
                endpoint: None,
                code,
                status: None,
                detail: detail.into(),
                attempts: Vec::new(),
            });
        }
    }
}
