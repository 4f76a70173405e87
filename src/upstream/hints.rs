//! The informational responses of one exchange, on their way to the client.

use http::StatusCode;

use crate::http1::FieldLines;
use crate::request::InterimSink;
use crate::respond::fields::informational_fields;
use crate::telemetry::metrics::InformationalDrop;

/// Where informational responses go, and how many have gone. All attempts of an
/// exchange share it, since their client is the same.
pub(crate) struct Hints<'a> {
    sink: Option<&'a dyn InterimSink>,
    passed: usize,
    /// Whether the client was told to send its content.
    continued: bool,
}

impl<'a> Hints<'a> {
    /// None yet; without a sink nobody wants any.
    pub(crate) fn new(sink: Option<&'a dyn InterimSink>) -> Self {
        Self { sink, passed: 0, continued: false }
    }

    /// Passes one on while `limit` have not passed. The first 100 passes all the
    /// same: the client may wait for it with its content (RFC 9110 section
    /// 10.1.1).
    ///
    /// # Errors
    /// If it was dropped, with why.
    pub(crate) fn pass(
        &mut self,
        status: StatusCode,
        fields: FieldLines,
        limit: usize,
    ) -> Result<(), InformationalDrop> {
        let Some(sink) = self.sink else { return Ok(()) };
        let awaited = status == StatusCode::CONTINUE && !self.continued;
        if self.passed >= limit && !awaited {
            return Err(InformationalDrop::Limit);
        }
        sink.send(status, informational_fields(fields))?;
        self.passed += 1;
        self.continued |= awaited;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::InterimDropped;
    use crate::sync::Mutex;

    /// A client that takes everything.
    #[derive(Default)]
    struct Client(Mutex<Vec<u16>>);

    impl InterimSink for Client {
        fn send(&self, status: StatusCode, _: FieldLines) -> Result<(), InterimDropped> {
            self.0.lock().push(status.as_u16());
            Ok(())
        }
    }

    #[test]
    fn past_the_limit_only_the_first_hundred_passes() {
        let client = Client::default();
        let mut hints = Hints::new(Some(&client));
        let passed = [103, 103, 103, 100, 100, 102].map(|status| {
            let status = StatusCode::from_u16(status).unwrap();
            hints.pass(status, FieldLines::new(), 2).is_ok()
        });
        assert_eq!(passed, [true, true, false, true, false, false]);
        assert_eq!(*client.0.lock(), [103, 103, 100]);
    }
}
