package row

import (
	"math"
	"slices"
)

// Mark is a row being written: where it starts and how many slots it has. It stays valid while its buffer only grows.
type Mark struct {
	start, slots int
	n            int
}

// Buf holds rows, nested to any depth, in one growing buffer: everything is appended, and slots are filled in behind.
type Buf struct{ out []byte }

// Bytes is all that has been written.
func (b *Buf) Bytes() []byte { return b.out }

// Reset forgets everything and keeps the memory.
func (b *Buf) Reset() { b.out = b.out[:0] }

// Begin starts a row of n slots, all null until they are set.
func (b *Buf) Begin(n int) Mark {
	start := len(b.out)
	b.out = le.AppendUint32(b.out, uint32(n))
	for bits := n; bits > 0; bits -= 64 {
		mask := uint64(math.MaxUint64)
		if bits < 64 {
			mask = 1<<bits - 1
		}
		b.out = le.AppendUint64(b.out, mask)
	}
	slots := len(b.out)
	b.out = slices.Grow(b.out, 8*n)[:slots+8*n]
	clear(b.out[slots:])
	return Mark{start, slots, n}
}

// SetSlot sets slot i to eight bytes; it panics, as a slice does, when the row has no slot i.
func (b *Buf) SetSlot(m Mark, i int, v uint64) {
	if uint(i) >= uint(m.n) {
		panic("row: slot out of range")
	}
	le.PutUint64(b.out[m.slots+8*i:], v)
	b.out[m.start+4+i/8] &^= 1 << (i % 8)
}

// SetNull makes slot i null again.
func (b *Buf) SetNull(m Mark, i int) {
	b.SetSlot(m, i, 0)
	b.out[m.start+4+i/8] |= 1 << (i % 8)
}

// SetBool sets a boolean.
func (b *Buf) SetBool(m Mark, i int, v bool) {
	var s uint64
	if v {
		s = 1
	}
	b.SetSlot(m, i, s)
}

// SetInt64 sets an integer of any width.
func (b *Buf) SetInt64(m Mark, i int, v int64) { b.SetSlot(m, i, uint64(v)) }

// SetFloat64 sets a float of either width.
func (b *Buf) SetFloat64(m Mark, i int, v float64) { b.SetSlot(m, i, math.Float64bits(v)) }

// SetData sets bytes (or a text) by copying them behind the row.
func (b *Buf) SetData(m Mark, i int, v []byte) {
	at := len(b.out)
	b.out = append(b.out, v...)
	b.end(m, i, at)
}

// SetText sets a text.
func (b *Buf) SetText(m Mark, i int, v string) {
	at := len(b.out)
	b.out = append(b.out, v...)
	b.end(m, i, at)
}

// SetDataWith sets slot i to the bytes that write appends to its argument.
func (b *Buf) SetDataWith(m Mark, i int, write func([]byte) []byte) {
	at := len(b.out)
	b.out = write(b.out)
	b.end(m, i, at)
}

// SetRow copies a finished row (a struct, a list) into slot i.
func (b *Buf) SetRow(m Mark, i int, v Row) { b.SetData(m, i, v.b) }

// EndNested closes a nested row, begun after its parent, as the parent's slot i.
func (b *Buf) EndNested(parent Mark, i int, nested Mark) { b.end(parent, i, nested.start) }

func (b *Buf) end(m Mark, i, at int) {
	b.SetSlot(m, i, uint64(at-m.start)|uint64(len(b.out)-at)<<32)
}

// Copy appends a copy of a finished row; its slots may then be set anew, what they pointed to stays behind unused.
func (b *Buf) Copy(v Row) Mark {
	start := len(b.out)
	b.out = append(b.out, v.b...)
	return b.mark(start)
}

func (b *Buf) mark(start int) Mark {
	n := int(le.Uint32(b.out[start:]))
	return Mark{start, start + 4 + 8*((n+63)/64), n}
}

// IsNull says whether slot i of a row in this buffer is null; a slot past the end is.
func (b *Buf) IsNull(m Mark, i int) bool {
	return uint(i) >= uint(m.n) || b.out[m.start+4+i/8]>>(i%8)&1 == 1
}

func (b *Buf) target(m Mark, i int) (at, n int, ok bool) {
	if b.IsNull(m, i) {
		return 0, 0, false
	}
	s := le.Uint64(b.out[m.slots+8*i:])
	at, n = m.start+int(uint32(s)), int(s>>32)
	return at, n, at+n <= len(b.out)
}

// Nested is the row that slot i of a row in this buffer points to; false: null, or no row.
func (b *Buf) Nested(m Mark, i int) (Mark, bool) {
	at, n, ok := b.target(m, i)
	if !ok || !fits(b.out[at:at+n]) {
		return Mark{}, false
	}
	return b.mark(at), true
}

// Lift appends a copy of the row that slot i points to, so that it can grow; close it with EndNested.
func (b *Buf) Lift(m Mark, i int) (Mark, bool) {
	at, n, ok := b.target(m, i)
	if !ok || !fits(b.out[at:at+n]) {
		return Mark{}, false
	}
	start := len(b.out)
	b.out = append(b.out, b.out[at:at+n]...)
	return b.mark(start), true
}

// Overwrite puts text or bytes where those of slot i are, when they are no longer than these.
func (b *Buf) Overwrite(m Mark, i int, v []byte) bool {
	at, n, ok := b.target(m, i)
	if !ok || len(v) > n {
		return false
	}
	copy(b.out[at:], v)
	b.SetSlot(m, i, uint64(at-m.start)|uint64(len(v))<<32)
	return true
}

// Meta is what a record says of itself beside key, value and headers.
type Meta struct {
	// Topic is from [Writer.Topic].
	Topic uint32
	// Partition and Offset are -1 where there is none.
	Partition int32
	Offset    int64
	// Timestamp is in milliseconds since the epoch, or NoTimestamp.
	Timestamp int64
	// KeySchema and ValueSchema are ids, or None.
	KeySchema, ValueSchema uint32
}

// NewMeta is a record of a topic without partition, offset, timestamp and schemas.
func NewMeta(topic uint32) Meta {
	return Meta{Topic: topic, Partition: -1, Offset: -1, Timestamp: NoTimestamp, KeySchema: None, ValueSchema: None}
}

// Writer writes a batch: for each record Begin, then the value, the key and the headers, in this order and each at
// most once, then End. Rows are written through Rows.
type Writer struct {
	rows     Buf
	topics   []string
	recordAt []uint32
	record   int
	headers  uint32
}

// NewWriter makes a writer with room for so many bytes.
func NewWriter(bytes int) *Writer {
	w := &Writer{}
	w.rows.out = make([]byte, batchHead, max(bytes, batchHead))
	return w
}

// Len is the number of records begun.
func (w *Writer) Len() int { return len(w.recordAt) }

// Size is the number of bytes written so far.
func (w *Writer) Size() int { return len(w.rows.out) }

// Rows is where the rows of the current record are written.
func (w *Writer) Rows() *Buf { return &w.rows }

// Topic is the index of a topic, added when it is new.
func (w *Writer) Topic(name string) uint32 {
	// The last one first: batches mostly come from few topics, in runs.
	for i := len(w.topics) - 1; i >= 0; i-- {
		if w.topics[i] == name {
			return uint32(i)
		}
	}
	w.topics = append(w.topics, name)
	return uint32(len(w.topics) - 1)
}

// Begin starts a record with a null key, a null value and no headers.
func (w *Writer) Begin(m Meta) {
	w.record, w.headers = len(w.rows.out), 0
	w.recordAt = append(w.recordAt, uint32(w.record))
	out := le.AppendUint32(w.rows.out, m.Topic)
	out = le.AppendUint32(out, uint32(m.Partition))
	out = le.AppendUint64(out, uint64(m.Offset))
	out = le.AppendUint64(out, uint64(m.Timestamp))
	out = le.AppendUint32(out, m.KeySchema)
	out = le.AppendUint32(out, m.ValueSchema)
	out = le.AppendUint64(out, math.MaxUint64)
	w.rows.out = le.AppendUint64(out, 0)
}

func (w *Writer) section(field, start int) { w.head(field, uint32(len(w.rows.out)-start)) }

func (w *Writer) head(field int, v uint32) { le.PutUint32(w.rows.out[w.record+field:], v) }

// EndValue says that the row just written is the record's value.
func (w *Writer) EndValue(m Mark) { w.section(36, m.start) }

// EndKey says that the row just written is the record's key.
func (w *Writer) EndKey(m Mark) { w.section(32, m.start) }

// Value copies a finished row as the record's value.
func (w *Writer) Value(v Row) { w.EndValue(w.rows.Copy(v)) }

// Key copies a finished row as the record's key.
func (w *Writer) Key(v Row) { w.EndKey(w.rows.Copy(v)) }

// Header appends a header.
func (w *Writer) Header(h Header) {
	n := uint32(None)
	if h.HasValue {
		n = uint32(len(h.Value.b))
	}
	out := le.AppendUint16(w.rows.out, uint16(len(h.Name)))
	out = le.AppendUint32(out, h.Schema)
	out = le.AppendUint32(out, n)
	out = append(out, h.Name...)
	if h.HasValue {
		out = append(out, h.Value.b...)
	}
	w.rows.out = out
	w.headers++
}

// HeadersFrom copies all headers of a record.
func (w *Writer) HeadersFrom(r Record) {
	w.rows.out = append(w.rows.out, r.headerBytes()...)
	w.headers += le.Uint32(r.b[40:])
}

// End ends the record.
func (w *Writer) End() { w.head(40, w.headers) }

// Undo forgets the record that was begun last.
func (w *Writer) Undo() {
	if n := len(w.recordAt); n > 0 {
		w.rows.out = w.rows.out[:w.recordAt[n-1]]
		w.recordAt = w.recordAt[:n-1]
	}
}

// Copy copies a record as it is, from a batch whose topic has the index topic here.
func (w *Writer) Copy(r Record, topic uint32) {
	w.record = len(w.rows.out)
	w.recordAt = append(w.recordAt, uint32(w.record))
	w.rows.out = append(w.rows.out, r.b...)
	w.head(0, topic)
}

// LastValue is the value's row of the record that was written or copied last, to be changed in place; false: a
// tombstone.
func (w *Writer) LastValue() (Mark, bool) {
	if len(w.recordAt) == 0 || le.Uint32(w.rows.out[w.record+36:]) == None {
		return Mark{}, false
	}
	return w.rows.mark(w.record + recordHead), true
}

// Reset makes the writer new again and keeps its memory, which a transform that keeps its writer saves the collector. What
// Finish gave is overwritten from then on: reset it in the next call, when the host has read the answer of the last.
func (w *Writer) Reset() {
	w.rows.out = w.rows.out[:batchHead]
	w.topics, w.recordAt = w.topics[:0], w.recordAt[:0]
}

// Finish is the finished buffer. The writer is of no more use, unless it is Reset.
func (w *Writer) Finish() []byte {
	tables := uint32(len(w.rows.out))
	out := w.rows.out
	for _, t := range w.topics {
		out = le.AppendUint16(out, uint16(len(t)))
		out = append(out, t...)
	}
	for _, at := range w.recordAt {
		out = le.AppendUint32(out, at)
	}
	out = le.AppendUint32(out, tables)
	w.rows.out = out
	for i, v := range []uint32{Format, uint32(len(w.recordAt)), uint32(len(w.topics)), tables} {
		le.PutUint32(out[4*i:], v)
	}
	return out
}
