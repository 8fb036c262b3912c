package plugin

import (
	"millrace/plugin/row"
)

// Batch is the records of a call, lent for the call. Nothing of them crosses into the plugin until a view is asked for.
type Batch struct {
	host hostBatch
	rows *row.Batch
}

// BatchOf is a batch of a test, over the buffer that a [row.Writer] made.
func BatchOf(rows []byte) (*Batch, error) {
	parsed, err := row.Parse(rows)
	if err != nil {
		return nil, err
	}
	return &Batch{rows: parsed}, nil
}

// Len is the number of records.
func (b *Batch) Len() int {
	if b.rows != nil {
		return b.rows.Len()
	}
	return b.host.len()
}

// Rows is all records in the row format: one copy, made at the first call.
func (b *Batch) Rows() (*row.Batch, error) {
	if b.rows == nil {
		// The host has checked what it hands over.
		rows, err := row.Reopen(b.host.rows())
		if err != nil {
			return nil, Fatal("records.malformed", "%v", err)
		}
		b.rows = rows
	}
	return b.rows, nil
}

// Style says how [Batch.Column] gives text: as strings, or packed, which is several times cheaper.
type Style uint8

const (
	Texts Style = iota
	PackedText
)

// Packed is byte strings end to end: value i is Data[Offsets[i]:Offsets[i+1]].
type Packed struct {
	Offsets []uint32
	Data    []byte
}

// PackedOf makes one of values.
func PackedOf(values ...string) *Packed {
	p := &Packed{Offsets: make([]uint32, 1, len(values)+1)}
	for _, v := range values {
		p.Data = append(p.Data, v...)
		p.Offsets = append(p.Offsets, uint32(len(p.Data)))
	}
	return p
}

// At is value i.
func (p *Packed) At(i int) []byte { return p.Data[p.Offsets[i]:p.Offsets[i+1]] }

// Column is one field of all rows. Of the five forms of its values one is not nil.
type Column struct {
	// Path: "topic", "key", "key.id", "value.after.email", "header.trace-id".
	Path string
	// Nulls: bit i (least significant first) is set where row i is null. Empty: none is.
	Nulls    []byte
	Booleans []bool
	Int64s   []int64
	Float64s []float64
	Texts    []string
	Packed   *Packed
}

// IsNull says whether row i is null.
func (c *Column) IsNull(i int) bool { return i/8 < len(c.Nulls) && c.Nulls[i/8]>>(i%8)&1 == 1 }

// SetNull makes row i null.
func (c *Column) SetNull(i int) {
	for i/8 >= len(c.Nulls) {
		c.Nulls = append(c.Nulls, 0)
	}
	c.Nulls[i/8] |= 1 << (i % 8)
}

// Column is one field of all records, and nothing else crosses. Inside the host only.
func (b *Batch) Column(path string, style Style) (*Column, error) { return b.host.column(path, style) }

// Documents is the "key" or the "value" of every record as schemaless JSON; nil is null. The slowest view. Inside the
// host only.
func (b *Batch) Documents(part string) ([]*string, error) { return b.host.documents(part) }

// Patch is edits that the host makes in place. Columns have one entry for each row of the input.
type Patch struct {
	DropRows []uint32
	// RemoveFields are paths below the value or the key: "value.note", "key.id", "header.x".
	RemoveFields []string
	// Set replaces fields, keeping their schema; new ones are appended to the struct as optional.
	Set []Column
}

// Document is a record as JSON. What is nil comes from the input record that it descends from; JSON null is a
// tombstone.
type Document struct{ Topic, Key, Value *string }

// Outcome is what became of a batch.
type Outcome struct {
	Patch     *Patch
	Rows      []byte
	Documents []Document
	// Origin: the input row that each record of Rows or Documents descends from.
	Origin []uint32
	// Failures are rows of the input that failed; they take no part in the output.
	Failures []RecordFailure
	replaced bool
}

// Unchanged is the batch as it was.
func Unchanged() *Outcome { return &Outcome{} }

// Patched leaves the edits to the host.
func Patched(p Patch) *Outcome { return &Outcome{Patch: &p} }

// Replace is other records; origin[i] is the input row that record i descends from. Leave a record out to drop it,
// name a row twice to make many of it.
func Replace(w *row.Writer, origin []uint32) *Outcome {
	return &Outcome{Rows: w.Finish(), Origin: origin, replaced: true}
}

// Documents is other records as JSON.
func Documents(records []Document, origin []uint32) *Outcome {
	return &Outcome{Documents: records, Origin: origin, replaced: true}
}

// Failing names single records that failed.
func (o *Outcome) Failing(failures ...RecordFailure) *Outcome {
	o.Failures = append(o.Failures, failures...)
	return o
}
