package plugin

// Sink takes records out. One value is one task. It may be a [Validator], a [Splitter], an [Opener] and a [Closer]
// besides.
type Sink interface {
	// Start comes before any Put.
	Start(ctx Context) error
	// Put takes the records, which are lent for the call; it may buffer copies. An error means that none was taken:
	// they are put again, after a fatal one in smaller batches where failures are tolerated, until the record at fault
	// stands alone. Failures are for single records.
	Put(batch *Batch) ([]RecordFailure, error)
	// Flush makes durable what was put, and answers what may be committed: never more than upto.
	Flush(upto []TopicOffset) (Flushed, error)
	// Stop is the last call.
	Stop()
}

// TopicPartition is a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// TopicOffset is the next offset to read: one past the last record that it covers.
type TopicOffset struct {
	Topic     string
	Partition int32
	Offset    int64
}

// LateFailure is a record put earlier and found bad only now.
type LateFailure struct {
	Topic         string
	Partition     int32
	Offset        int64
	Retriable     bool
	Code, Message string
}

// Flushed is what a flush made durable.
type Flushed struct {
	Offsets  []TopicOffset
	Failures []LateFailure
}

// FlushedAll: all of it is durable, and nothing failed late.
func FlushedAll(upto []TopicOffset) Flushed { return Flushed{Offsets: upto} }

// Opener is for sinks that hear which partitions they are given, and may answer with offsets to start at where they keep
// their own.
type Opener interface {
	Open(partitions []TopicPartition) ([]TopicOffset, error)
}

// Closer is for sinks that buffer: what is buffered of these partitions is thrown away, it comes again.
type Closer interface {
	Close(partitions []TopicPartition) error
}
