package plugin

// PlainTransform maps records to records, each by itself, with JSON for key and value. Every record becomes JSON for it, and
// what it makes is parsed: a [Transform] over batches costs a fraction. It may be a [Validator] besides.
type PlainTransform interface {
	// Configure comes before any Apply; ctx.Config has the transform's own keys, without their prefix.
	Configure(ctx Context) error
	// Apply says what becomes of a record. An error is one of the whole batch; of the record alone, answer [PlainPoison].
	Apply(record *PlainRecord) (PlainOutcome, error)
	// Close is the last call.
	Close()
}

// PlainRecord is a record as simple values. Of key, value and headers nil is null, and of the value a tombstone; others are
// JSON, as Connect's JsonConverter writes it without schemas. What is edited keeps the schema that it had.
type PlainRecord struct {
	Topic string
	// Partition, Offset and Timestamp (milliseconds since the epoch) are nil where there is none. A changed offset is not
	// looked at.
	Partition         *int32
	Offset, Timestamp *int64
	Key, Value        *string
	Headers           []PlainHeader
}

// PlainHeader is a header of a record.
type PlainHeader struct {
	Name  string
	Value *string
}

// PlainOutcome is what became of a record.
type PlainOutcome struct {
	records  []PlainRecord
	failure  *RecordFailure
	replaced bool
}

// PlainUnchanged: it stays as it was, to the byte.
func PlainUnchanged() PlainOutcome { return PlainOutcome{} }

// PlainRecords are in its place; without any it is dropped.
func PlainRecords(records ...PlainRecord) PlainOutcome {
	return PlainOutcome{records: records, replaced: true}
}

// PlainPoison: the record fails alone, for ever: to errors.tolerance and the dead letter queue.
func PlainPoison(code, format string, args ...any) PlainOutcome {
	failure := Poison(0, code, format, args...)
	return PlainOutcome{failure: &failure}
}

// PlainRetriable: the record fails alone, and is worth another try before the dead letter queue.
func PlainRetriable(code, format string, args ...any) PlainOutcome {
	o := PlainPoison(code, format, args...)
	o.failure.Retriable = true
	return o
}
