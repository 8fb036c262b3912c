// Package row reads and writes row format 1 (wit/ROW-FORMAT.md): the one buffer that holds a batch of records.
//
// Every field of every record is reached without decoding the rest. The package knows bytes and slots, never schemas:
// what a slot means is said by the schema whose id the record carries.
//
// Views copy nothing: texts and bytes that they answer share the batch's buffer. Keep a copy (strings.Clone) of what
// is to outlive the batch. A buffer that passed [Parse] is never read out of bounds, whatever its slots say: what
// points outside its row reads as missing.
package row

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"unicode/utf8"
	"unsafe"
)

const (
	// Format is the number of this row format, as in the host's task context.
	Format = 1
	// None stands for null in a length, and for schemaless in a schema id.
	None = math.MaxUint32
	// NoTimestamp stands for none in a record's timestamp.
	NoTimestamp = math.MinInt64

	batchHead  = 16
	recordHead = 48
)

var le = binary.LittleEndian

// Malformed says why a buffer is no batch of row format 1, and at which byte.
type Malformed struct {
	What string
	At   int
}

func (m *Malformed) Error() string {
	return fmt.Sprintf("not a batch of row format 1: %s at byte %d", m.What, m.At)
}

// Batch is a batch whose tables and record heads have been checked.
type Batch struct {
	bytes    []byte
	topics   []string
	recordAt int
	n        int
}

// Parse checks the head, the tables and the bounds of every record's sections. Rows are not looked into.
func Parse(b []byte) (*Batch, error) {
	batch, err := Reopen(b)
	if err != nil {
		return nil, err
	}
	tablesAt, from := int(le.Uint32(b[12:])), batchHead
	for i := 0; i <= batch.n; i++ {
		at := batch.recordAt + 4*i
		start := int(le.Uint32(b[at:]))
		if start < from || start > tablesAt || (i == 0 && start != batchHead) || (i == batch.n && start != tablesAt) {
			return nil, &Malformed{"record table out of order", at}
		}
		if i > 0 {
			if err := batch.Record(i-1).check(len(batch.topics), from); err != nil {
				return nil, err
			}
		}
		from = start
	}
	return batch, nil
}

// Reopen reads a buffer that has passed Parse before or that a [Writer] made: only the tables are looked at. Reading
// another buffer this way may panic.
func Reopen(b []byte) (*Batch, error) {
	if len(b) < batchHead {
		return nil, &Malformed{"shorter than its head", 0}
	}
	if le.Uint32(b) != Format {
		return nil, &Malformed{"another format number", 0}
	}
	n, topics, at := int(le.Uint32(b[4:])), int(le.Uint32(b[8:])), int(le.Uint32(b[12:]))
	if at < batchHead || at > len(b) {
		return nil, &Malformed{"tables outside the buffer", 12}
	}
	// A topic takes two bytes at least: a count that the buffer cannot hold never reaches an allocation.
	if topics > (len(b)-at)/2 {
		return nil, &Malformed{"more topics than bytes", 8}
	}
	batch := &Batch{bytes: b, n: n, topics: make([]string, topics)}
	for i := range batch.topics {
		if len(b)-at < 2 || len(b)-at-2 < int(le.Uint16(b[at:])) {
			return nil, &Malformed{"topic table cut short", at}
		}
		name := b[at+2 : at+2+int(le.Uint16(b[at:]))]
		if !utf8.Valid(name) {
			return nil, &Malformed{"topic is not UTF-8", at}
		}
		batch.topics[i] = text(name)
		at += 2 + len(name)
	}
	if n > (len(b)-at)/4 || len(b)-at < 4*(n+1) {
		return nil, &Malformed{"record table cut short", at}
	}
	batch.recordAt = at
	return batch, nil
}

// Len is the number of records.
func (b *Batch) Len() int { return b.n }

// Bytes is the buffer behind the batch.
func (b *Batch) Bytes() []byte { return b.bytes }

// Topics are the distinct topics; [Record.Topic] is an index into them.
func (b *Batch) Topics() []string { return b.topics }

// TopicOf is the name of a record's topic.
func (b *Batch) TopicOf(r Record) string { return b.topics[r.Topic()] }

// Record is record i; it panics, as a slice does, when i is not below Len.
func (b *Batch) Record(i int) Record {
	if uint(i) >= uint(b.n) {
		panic(fmt.Sprintf("record %d of %d", i, b.n))
	}
	at := b.recordAt + 4*i
	return Record{b.bytes[le.Uint32(b.bytes[at:]):le.Uint32(b.bytes[at+4:])]}
}

// All gives the records in order, each with its row number.
func (b *Batch) All() iter.Seq2[int, Record] {
	return func(yield func(int, Record) bool) {
		for i := range b.n {
			if !yield(i, b.Record(i)) {
				return
			}
		}
	}
}

// Record is one record of a batch.
type Record struct{ b []byte }

func (r Record) check(topics, at int) error {
	if len(r.b) < recordHead {
		return &Malformed{"record shorter than its head", at}
	}
	if int(r.Topic()) >= topics {
		return &Malformed{"record of a topic that is not in the table", at}
	}
	end := recordHead
	for _, field := range []int{36, 32} {
		if n := le.Uint32(r.b[field:]); n != None {
			if len(r.b)-end < int(n) {
				return &Malformed{"key or value outside its record", at}
			}
			if !fits(r.b[end : end+int(n)]) {
				return &Malformed{"row shorter than its slots", at + end}
			}
			end += int(n)
		}
	}
	rest := r.b[end:]
	for range le.Uint32(r.b[40:]) {
		h, left, ok := header(rest)
		if !ok || !utf8.ValidString(h.Name) || (h.HasValue && !fits(h.Value.b)) {
			return &Malformed{"header outside its record", at}
		}
		rest = left
	}
	if len(rest) > 0 {
		return &Malformed{"bytes after a record's last header", at}
	}
	return nil
}

// Bytes are the record's bytes, from its head to its last header.
func (r Record) Bytes() []byte { return r.b }

// Topic is an index into [Batch.Topics].
func (r Record) Topic() uint32 { return le.Uint32(r.b) }

// Partition is the record's partition; false: it has none.
func (r Record) Partition() (int32, bool) {
	p := int32(le.Uint32(r.b[4:]))
	return p, p >= 0
}

// Offset is Kafka's offset, on the way to a sink; false: none.
func (r Record) Offset() (int64, bool) {
	o := int64(le.Uint64(r.b[8:]))
	return o, o >= 0
}

// Timestamp is in milliseconds since the epoch; false: none.
func (r Record) Timestamp() (int64, bool) {
	t := int64(le.Uint64(r.b[16:]))
	return t, t != NoTimestamp
}

// KeySchema is the id of the key's schema; false: schemaless.
func (r Record) KeySchema() (uint32, bool) {
	s := le.Uint32(r.b[24:])
	return s, s != None
}

// ValueSchema is the id of the value's schema; false: schemaless.
func (r Record) ValueSchema() (uint32, bool) {
	s := le.Uint32(r.b[28:])
	return s, s != None
}

// Value is the value's row; false: a tombstone.
func (r Record) Value() (Row, bool) {
	n := le.Uint32(r.b[36:])
	if n == None {
		return Row{}, false
	}
	return Row{r.b[recordHead : recordHead+int(n)]}, true
}

func (r Record) keyAt() int {
	if n := le.Uint32(r.b[36:]); n != None {
		return recordHead + int(n)
	}
	return recordHead
}

// Key is the key's row; false: a null key.
func (r Record) Key() (Row, bool) {
	n := le.Uint32(r.b[32:])
	if n == None {
		return Row{}, false
	}
	at := r.keyAt()
	return Row{r.b[at : at+int(n)]}, true
}

func (r Record) headerBytes() []byte {
	at := r.keyAt()
	if n := le.Uint32(r.b[32:]); n != None {
		at += int(n)
	}
	return r.b[at:]
}

// Headers gives the headers in order.
func (r Record) Headers() iter.Seq[Header] {
	return func(yield func(Header) bool) {
		rest := r.headerBytes()
		for range le.Uint32(r.b[40:]) {
			h, left, ok := header(rest)
			if !ok || !yield(h) {
				return
			}
			rest = left
		}
	}
}

// Meta is what the record says of itself beside key, value and headers, for a record in another batch: topic is from
// [Writer.Topic].
func (r Record) Meta(topic uint32) Meta {
	return Meta{
		Topic:       topic,
		Partition:   int32(le.Uint32(r.b[4:])),
		Offset:      int64(le.Uint64(r.b[8:])),
		Timestamp:   int64(le.Uint64(r.b[16:])),
		KeySchema:   le.Uint32(r.b[24:]),
		ValueSchema: le.Uint32(r.b[28:]),
	}
}

// Header is a header: its name, the id of its schema (None: schemaless), its value's row (of one slot unless the value
// is a struct).
type Header struct {
	Name     string
	Schema   uint32
	Value    Row
	HasValue bool
}

func header(b []byte) (h Header, rest []byte, ok bool) {
	if len(b) < 10 {
		return h, b, false
	}
	name, schema, n := int(le.Uint16(b)), le.Uint32(b[2:]), le.Uint32(b[6:])
	if len(b)-10 < name {
		return h, b, false
	}
	h = Header{Name: text(b[10 : 10+name]), Schema: schema}
	end := 10 + name
	if n != None {
		if len(b)-end < int(n) {
			return h, b, false
		}
		h.Value, h.HasValue = Row{b[end : end+int(n)]}, true
		end += int(n)
	}
	return h, b[end:], true
}

// Row is a struct's fields, a list's elements, or the one slot of any other root. The zero Row has no slots.
type Row struct{ b []byte }

func fits(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	n := uint64(le.Uint32(b))
	return uint64(len(b)) >= 4+8*((n+63)/64)+8*n
}

// NewRow is a row over its bytes; false: they are fewer than its slots need.
func NewRow(b []byte) (Row, bool) {
	if !fits(b) {
		return Row{}, false
	}
	return Row{b}, true
}

// Bytes are the row's bytes; they mean the same wherever they are copied to.
func (r Row) Bytes() []byte { return r.b }

// Len is the number of slots.
func (r Row) Len() int {
	if len(r.b) < 4 {
		return 0
	}
	return int(le.Uint32(r.b))
}

// IsNull says whether slot i is null; a slot past the end is.
func (r Row) IsNull(i int) bool {
	return uint(i) >= uint(r.Len()) || r.b[4+i/8]>>(i%8)&1 == 1
}

// Slot is the eight bytes of slot i; a slot past the end is zero.
func (r Row) Slot(i int) uint64 {
	n := r.Len()
	if uint(i) >= uint(n) {
		return 0
	}
	return le.Uint64(r.b[4+8*((n+63)/64)+8*i:])
}

// Bool, Int64 and Float64 read a scalar; of a null they are zero.
func (r Row) Bool(i int) bool { return r.Slot(i) != 0 }

// Int64 reads an integer of any width.
func (r Row) Int64(i int) int64 { return int64(r.Slot(i)) }

// Float64 reads a float of either width.
func (r Row) Float64(i int) float64 { return math.Float64frombits(r.Slot(i)) }

// TryData is the bytes that slot i points to; false where it points outside the row.
func (r Row) TryData(i int) ([]byte, bool) {
	s := r.Slot(i)
	at, n := uint64(uint32(s)), s>>32
	if uint(i) >= uint(r.Len()) || at+n > uint64(len(r.b)) {
		return nil, false
	}
	return r.b[at : at+n], true
}

// Data is the bytes that slot i points to: of a bytes field, or of a text.
func (r Row) Data(i int) []byte {
	b, _ := r.TryData(i)
	return b
}

// Text is the text that slot i points to. It shares the batch's buffer.
func (r Row) Text(i int) string { return text(r.Data(i)) }

// TryText is the same; false where it points outside the row or is not UTF-8.
func (r Row) TryText(i int) (string, bool) {
	b, ok := r.TryData(i)
	if !ok || !utf8.Valid(b) {
		return "", false
	}
	return text(b), true
}

// Row is the row that slot i points to: a struct, a list, or a map's two lists. False: null, or no row.
func (r Row) Row(i int) (Row, bool) {
	if r.IsNull(i) {
		return Row{}, false
	}
	b, ok := r.TryData(i)
	if !ok {
		return Row{}, false
	}
	return NewRow(b)
}

// At follows the slots of a path, from this row downwards: the row that holds the leaf, and its slot. False where the
// leaf is null, or the path leads through a null.
func (r Row) At(path []int) (Row, int, bool) {
	if len(path) == 0 {
		return r, 0, false
	}
	leaf := len(path) - 1
	for _, slot := range path[:leaf] {
		nested, ok := r.Row(slot)
		if !ok {
			return r, 0, false
		}
		r = nested
	}
	return r, path[leaf], !r.IsNull(path[leaf])
}

func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
