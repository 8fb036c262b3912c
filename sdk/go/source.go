package plugin

import (
	"time"

	"millrace/plugin/row"
)

// Source brings records in. One value is one task. It may be a [Validator], a [Splitter] and a [Committer] besides.
type Source interface {
	// Start comes before any Poll; committed is the last durable offset of each source partition of the connector.
	Start(ctx Context, committed []SourceOffset) error
	// Poll brings at most maxRecords records and about maxBytes of them; [Idle] where there are none.
	Poll(maxRecords, maxBytes int) (*Polled, error)
	// Stop is the last call.
	Stop()
}

// Splitter is for sources and sinks that say how the work is split: one configuration for each task, at most most of
// them. It is called on a fresh value. Without it, a source has one task and a sink maxTasks alike.
type Splitter interface {
	TaskConfigs(config Config, most int) ([]map[string]string, error)
}

// Committer is for sources that hear which of their offsets are durable, and their records acknowledged by the log: what
// is before them may be released upstream now.
type Committer interface {
	Commit(offsets []SourceOffset) error
}

// SourceOffset is Connect's source partition and offset, JSON objects both.
type SourceOffset struct{ Partition, Offset string }

// Mark is a place to resume from.
type Mark struct {
	// Through: records [0, Through) of the poll are covered once the mark is committed.
	Through int
	// Partition and Offset are JSON objects.
	Partition, Offset string
	// Boundary: a transaction of the source ends here.
	Boundary bool
}

// Polled is what a poll brought.
type Polled struct {
	Rows      []byte
	Documents []Document
	// Marks are in order of Through. A poll without records may have some: progress on a quiet source.
	Marks []Mark
	// Wait is how long the host may wait before the next poll: nothing more is there now. 0: it asks at once.
	Wait time.Duration
}

// PolledRows is the writer's records.
func PolledRows(w *row.Writer) *Polled { return &Polled{Rows: w.Finish()} }

// PolledDocuments is records as JSON, for a source that would rather not write rows.
func PolledDocuments(records []Document) *Polled { return &Polled{Documents: records} }

// Idle is no records; the host asks again after this time.
func Idle(wait time.Duration) *Polled { return &Polled{Wait: wait} }

// Mark adds a place to resume from, once the first through records are durable.
func (p *Polled) Mark(through int, partition, offset string) *Polled {
	p.Marks = append(p.Marks, Mark{Through: through, Partition: partition, Offset: offset})
	return p
}
