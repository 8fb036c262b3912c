//! The invariants of delivery by name, and a seam to break them: each place that upholds one names it here, and in a build for
//! tests with the feature `break-invariants`, `MILLRACE_BREAK_INVARIANT` has the one it names done the wrong way round. So the
//! fault campaign shows that it would notice.
//!
//! Without the feature, which no product has, [`reversed`] is a constant and what stands behind it is not compiled.

/// See ARCHITECTURE.md, and where each is cited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invariant {
    /// durable-before-commit of a sink: its offsets are committed up to what `flush` answered. Reversed: before it is asked.
    SinkDurableBeforeCommit,
    /// durable-before-commit of a source: its offsets are stored once the log has acknowledged the records. Reversed: once they
    /// are sent.
    SourceDurableBeforeCommit,
    /// offset-with-records: with transactions, offsets are in that of their records. Reversed: stored by themselves, before.
    OffsetWithRecords,
    /// one-producer: a session's transactional id is the task's, so that it fences who had it before. Reversed: its own.
    OneProducer,
    /// durable-before-release: a source is told to release what is stored. Reversed: what was sent.
    DurableBeforeRelease,
    /// state-before-offset: what plugins changed in their states is stored before the offsets. Reversed: after
    /// them.
    StateBeforeOffset,
    /// sent-before-offset: what plugins sent is acknowledged before the offsets are stored. Reversed: nobody waits for it.
    SentBeforeOffset,
    /// one-writer: a task opens partitions once no other of its connector has them in hand, and writes nothing for those that are
    /// lost. Reversed: nobody asks.
    OneWriter,
    /// opened-before-read: a partition is read from the offset that `open` answered. Reversed: from the group's.
    OpenedBeforeRead,
    /// one-outcome: a dead letter's outcome is written once the sink has made it durable. Reversed: before the sink is given it.
    OneOutcome,
}

impl Invariant {
    pub const ALL: [Invariant; 10] = [
        Invariant::SinkDurableBeforeCommit,
        Invariant::SourceDurableBeforeCommit,
        Invariant::OffsetWithRecords,
        Invariant::OneProducer,
        Invariant::DurableBeforeRelease,
        Invariant::StateBeforeOffset,
        Invariant::SentBeforeOffset,
        Invariant::OneWriter,
        Invariant::OpenedBeforeRead,
        Invariant::OneOutcome,
    ];

    /// As `MILLRACE_BREAK_INVARIANT` names it.
    pub fn name(self) -> &'static str {
        match self {
            Invariant::SinkDurableBeforeCommit => "sink-durable-before-commit",
            Invariant::SourceDurableBeforeCommit => "source-durable-before-commit",
            Invariant::OffsetWithRecords => "offset-with-records",
            Invariant::OneProducer => "one-producer",
            Invariant::DurableBeforeRelease => "durable-before-release",
            Invariant::StateBeforeOffset => "state-before-offset",
            Invariant::SentBeforeOffset => "sent-before-offset",
            Invariant::OneWriter => "one-writer",
            Invariant::OpenedBeforeRead => "opened-before-read",
            Invariant::OneOutcome => "one-outcome",
        }
    }
}

/// Whether a test asks for it to be broken.
#[cfg(not(feature = "break-invariants"))]
#[inline(always)]
pub const fn reversed(_: Invariant) -> bool {
    false
}

/// Whether a test asks for it to be broken.
#[cfg(feature = "break-invariants")]
pub fn reversed(invariant: Invariant) -> bool {
    use std::sync::LazyLock;

    /// Read once. A name that is none ends the worker: a test that breaks nothing would show nothing.
    static BROKEN: LazyLock<Option<Invariant>> = LazyLock::new(|| {
        let name = std::env::var("MILLRACE_BREAK_INVARIANT").ok()?;
        let found = Invariant::ALL.into_iter().find(|i| i.name() == name);
        let found = found.unwrap_or_else(|| panic!("MILLRACE_BREAK_INVARIANT is \"{name}\", which is no invariant"));
        tracing::error!("invariant {name} is REVERSED: this worker loses records, for a test");
        Some(found)
    });
    *BROKEN == Some(invariant)
}
