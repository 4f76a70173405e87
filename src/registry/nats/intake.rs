//! From the bytes of a message to what it changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::status::Figures;
use crate::registry::message::{Ignored, Message, MessageError};
use crate::registry::{Change, LiveRoutes, Outcome, Source};

/// Changes that are put in force together at most.
const MOST_PENDING: usize = 4_096;

/// Tags that a refresh needs no allocation for.
const FEW_TAGS: usize = 16;

/// What a message is about, by the last word of its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `register`
    Register,
    /// `unregister`
    Unregister,
    /// `greet`
    Greet,
}

impl Subject {
    /// The subject of a word; `None` for those that are not listened to.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "register" => Some(Self::Register),
            "unregister" => Some(Self::Unregister),
            "greet" => Some(Self::Greet),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Unregister => "unregister",
            Self::Greet => "greet",
        }
    }
}

/// Takes messages of one stream in their order.
///
/// A refresh of what is known is done at once. From the first message of a
/// batch that is none, all are collected, so that none overtakes another, and
/// put in force as one table by [`flush`](Self::flush).
pub struct Intake {
    live: LiveRoutes,
    figures: Arc<Figures>,
    pending: Vec<Change>,
    logged: [bool; MessageError::KINDS.len()],
    full_logged: bool,
    ignored_logged: [bool; Ignored::ALL.len()],
}

impl Intake {
    /// For the routes that messages are about.
    pub(crate) fn new(live: LiveRoutes, figures: Arc<Figures>) -> Self {
        Self {
            live,
            figures,
            pending: Vec::new(),
            logged: [false; MessageError::KINDS.len()],
            full_logged: false,
            ignored_logged: Default::default(),
        }
    }

    /// For measurements: an intake whose figures nobody reads.
    pub fn of(live: LiveRoutes) -> Self {
        Self::new(live, Arc::default())
    }

    /// Takes a message; `ttl` holds unless it has its own. What is wrong is
    /// counted, logged once a kind, and changes nothing.
    pub fn take(&mut self, subject: Subject, payload: &[u8], ttl: Duration, now: Instant) {
        if let Err(error) = self.read(subject, payload, ttl, now) {
            self.figures.refused(&error);
            if !std::mem::replace(&mut self.logged[error.index()], true) {
                let (subject, kind) = (subject.as_str(), error.kind());
                tracing::warn!(
                    subject,
                    kind,
                    "a message of NATS is refused: {error}; more of this kind are only counted"
                );
            }
        }
        if self.pending.len() >= MOST_PENDING {
            self.flush(now);
        }
    }

    fn read(
        &mut self,
        subject: Subject,
        payload: &[u8],
        ttl: Duration,
        now: Instant,
    ) -> Result<(), MessageError> {
        let message = match subject {
            Subject::Unregister => Message::parse_unregister(payload)?,
            Subject::Register | Subject::Greet => Message::parse(payload)?,
        };
        match subject {
            Subject::Register => {
                if let Some(ignored) = message.ignored() {
                    self.note_ignored(ignored);
                }
                if !(self.pending.is_empty() && self.refresh(&message, ttl, now)?) {
                    self.pending.extend(message.registrations(ttl)?);
                }
            }
            Subject::Unregister => self.pending.extend(message.unregistrations()?),
            Subject::Greet => {}
        }
        self.figures.taken(subject);
        Ok(())
    }

    fn note_ignored(&mut self, ignored: Ignored) {
        self.figures.ignored(ignored);
        if !std::mem::replace(&mut self.ignored_logged[ignored as usize], true) {
            let option = ignored.option();
            tracing::warn!(
                option,
                "an option of a registration is ignored, and its route balanced without; \
                 more of these are only counted"
            );
        }
    }

    /// Whether the message says nothing new; then its routes live on.
    fn refresh(
        &self,
        message: &Message<'_>,
        ttl: Duration,
        now: Instant,
    ) -> Result<bool, MessageError> {
        if message.uris().len() > 1 {
            // One that is known must not live on by a message that is wrong.
            message.check()?;
        }
        let heard = message.heard(ttl);
        // On the stack where they are few, as they are in nearly all messages.
        let mut few = [("", ""); FEW_TAGS];
        let many: Vec<(&str, &str)>;
        let tags = match few.get_mut(..message.tags().len()) {
            Some(few) => {
                few.iter_mut().zip(message.tags()).for_each(|(place, tag)| *place = tag);
                &*few
            }
            None => {
                many = message.tags().collect();
                &many
            }
        };
        let mut stale = 0;
        for uri in message.uris() {
            match self.live.refresh(Source::Nats, uri.host, uri.path, &heard, tags, now) {
                Some(Outcome::Stale) => stale += 1,
                Some(_) => {}
                // What is stale is counted with the rest as that is put in force.
                None => return Ok(false),
            }
        }
        if stale > 0 {
            self.figures.stale(stale);
        }
        Ok(true)
    }

    /// Puts in force what was collected.
    pub fn flush(&mut self, now: Instant) {
        self.live.heard_from(Source::Nats, now);
        if self.pending.is_empty() {
            return;
        }
        let changes = std::mem::take(&mut self.pending);
        let outcomes = self.live.apply(Source::Nats, changes, now);
        let full = outcomes.contains(&Outcome::Full);
        if full && !std::mem::replace(&mut self.full_logged, true) {
            tracing::warn!("registrations are refused: registry.endpoints is reached");
        }
        self.figures.made(&outcomes);
    }
}
