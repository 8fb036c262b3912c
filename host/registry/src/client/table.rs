//! What a registry has answered, and what it is being asked: each question once at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use millrace_record::convert::Unavailable;
use parking_lot::Mutex;

use super::{Asked, Registered, Registration, RegistryError};
use crate::{Reference, SchemaType};

/// How long an answer that is no counts: whoever repairs what was asked for need not restart anything.
const NEGATIVE: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Question {
    Id { id: i32, subject: Box<str> },
    Schema { subject: Box<str>, of: SchemaType, text: Arc<str>, references: Box<[Reference]>, how: Registration },
    Latest { subject: Box<str> },
}

impl Question {
    pub fn subject(&self) -> &str {
        match self {
            Question::Id { subject, .. } | Question::Schema { subject, .. } | Question::Latest { subject } => subject,
        }
    }
}

pub(super) type Answer = Result<Arc<Registered>, RegistryError>;

enum Entry {
    Asking(Shared<BoxFuture<'static, Result<(), Unavailable>>>),
    Known(Answer, Option<Instant>),
}

#[derive(Default)]
pub(super) struct Table {
    entries: Mutex<HashMap<Question, Entry>>,
}

impl Table {
    /// The answer at hand, or the wait for it, which `ask` begins when nobody has.
    pub fn ask(
        &self,
        question: Question,
        ask: impl FnOnce(Question) -> BoxFuture<'static, Result<(), Unavailable>>,
    ) -> Asked<Arc<Registered>> {
        let mut entries = self.entries.lock();
        match entries.get(&question) {
            Some(Entry::Known(answer, until)) if until.is_none_or(|u| Instant::now() < u) => Asked::Known(answer.clone()),
            Some(Entry::Asking(asking)) => Asked::Wait(asking.clone().boxed()),
            _ => {
                let asking = ask(question.clone()).shared();
                entries.insert(question, Entry::Asking(asking.clone()));
                Asked::Wait(asking.boxed())
            }
        }
    }

    /// Keeps an answer: a yes for `ttl` or for good, a no for a short time. Of one subject at most `most` are kept: past that
    /// they are all forgotten, and asked for again by who needs them.
    pub fn answered(&self, question: Question, answer: Answer, ttl: Option<Duration>, most: usize) {
        let ttl = if answer.is_err() { Some(NEGATIVE) } else { ttl };
        let mut entries = self.entries.lock();
        let subject = question.subject();
        let same = |(of, entry): &(&Question, &Entry)| of.subject() == subject && matches!(entry, Entry::Known(..));
        if entries.iter().filter(same).count() >= most {
            entries.retain(|of, entry| of.subject() != subject || matches!(entry, Entry::Asking(_)));
        }
        entries.insert(question, Entry::Known(answer, ttl.map(|ttl| Instant::now() + ttl)));
    }

    /// Nothing is known: the next who asks begins anew.
    pub fn unanswered(&self, question: &Question) {
        self.entries.lock().remove(question);
    }

    pub fn len(&self) -> usize {
        self.entries.lock().len()
    }
}
