package row

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The vectors that every language's codec is held to; wit/row/examples/vectors.rs makes them and says what they are.
const vectors = "../../../wit/row/vectors"

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectors, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type shape struct {
	kind byte
	of   []shape
}

func parseShape(s string) (shape, string) {
	kind, rest := s[0], s[1:]
	end, ok := map[byte]byte{'{': '}', '[': ']', '(': ')'}[kind]
	if !ok {
		return shape{kind: kind}, rest
	}
	var of []shape
	for rest[0] != end {
		var one shape
		one, rest = parseShape(rest)
		of = append(of, one)
	}
	return shape{kind, of}, rest[1:]
}

func shapes(t *testing.T) (all [][]shape) {
	for _, line := range strings.Fields(string(read(t, "shapes"))) {
		s, _ := parseShape(line)
		if s.kind == '{' {
			all = append(all, s.of)
		} else {
			all = append(all, []shape{s})
		}
	}
	return all
}

type printer struct {
	strings.Builder
	budget int
}

func (p *printer) slot(r Row, i int, s shape) {
	if p.budget == 0 {
		p.WriteByte('!')
		return
	}
	p.budget--
	if r.IsNull(i) {
		p.WriteByte('~')
		return
	}
	switch s.kind {
	case 'i':
		fmt.Fprint(p, r.Int64(i))
		return
	case 'b':
		p.WriteByte(map[bool]byte{true: 'T', false: 'F'}[r.Bool(i)])
		return
	case 'f':
		fmt.Fprintf(p, "%016x", math.Float64bits(r.Float64(i)))
		return
	case 't', 'x':
		if b, ok := r.TryData(i); ok {
			fmt.Fprintf(p, "<%x>", b)
			return
		}
	default:
		if nested, ok := r.Row(i); ok {
			p.nested(nested, s)
			return
		}
	}
	p.WriteByte('?')
}

func (p *printer) nested(r Row, s shape) {
	switch s.kind {
	case '{':
		p.row(r, s.of)
	case '[':
		p.WriteByte('[')
		for i := 0; i < r.Len(); i++ {
			p.slot(r, i, s.of[0])
			p.WriteByte(' ')
			if p.budget == 0 {
				break
			}
		}
		p.WriteByte(']')
	case '(':
		p.WriteByte('(')
		p.slot(r, 0, shape{'[', s.of[:1]})
		p.WriteByte(':')
		p.slot(r, 1, shape{'[', s.of[1:]})
		p.WriteByte(')')
	}
}

func (p *printer) row(r Row, of []shape) {
	p.WriteByte('{')
	for i, s := range of {
		p.slot(r, i, s)
		p.WriteByte(' ')
	}
	p.WriteByte('}')
}

func (p *printer) part(r Row, has bool, schema uint32, shapes [][]shape) {
	id := int64(schema)
	if schema == None {
		id = -1
	}
	fmt.Fprintf(p, "%d=", id)
	switch {
	case !has:
		p.WriteByte('-')
	case schema == None:
		p.row(r, []shape{{kind: 't'}})
	case int(schema) < len(shapes):
		p.row(r, shapes[schema])
	default:
		p.WriteByte('?')
	}
}

func dump(b *Batch, shapes [][]shape) string {
	p := &printer{budget: 20_000}
	for _, r := range b.All() {
		partition, ok := r.Partition()
		if !ok {
			partition = -1
		}
		offset, ok := r.Offset()
		if !ok {
			offset = -1
		}
		timestamp, _ := r.Timestamp()
		fmt.Fprintf(p, "%s %d %d %d value ", b.TopicOf(r), partition, offset, timestamp)
		value, has := r.Value()
		id, _ := r.ValueSchema()
		p.part(value, has, id, shapes)
		p.WriteString(" key ")
		key, has := r.Key()
		id, _ = r.KeySchema()
		p.part(key, has, id, shapes)
		for h := range r.Headers() {
			fmt.Fprintf(p, " header %s ", h.Name)
			p.part(h.Value, h.HasValue, h.Schema, shapes)
		}
		p.WriteByte('\n')
	}
	return p.String()
}

// again writes a row anew, slot by slot.
func again(buf *Buf, r Row, of []shape) Mark {
	m := buf.Begin(len(of))
	for i, s := range of {
		if r.IsNull(i) {
			continue
		}
		nested, _ := r.Row(i)
		switch s.kind {
		case 'i':
			buf.SetInt64(m, i, r.Int64(i))
		case 'b':
			buf.SetBool(m, i, r.Bool(i))
		case 'f':
			buf.SetFloat64(m, i, r.Float64(i))
		case 't':
			buf.SetText(m, i, r.Text(i))
		case 'x':
			buf.SetData(m, i, r.Data(i))
		case '{':
			buf.EndNested(m, i, again(buf, nested, s.of))
		case '[':
			buf.EndNested(m, i, again(buf, nested, repeat(s.of[0], nested.Len())))
		case '(':
			buf.EndNested(m, i, again(buf, nested, []shape{{'[', s.of[:1]}, {'[', s.of[1:]}}))
		}
	}
	return m
}

func repeat(s shape, n int) []shape {
	all := make([]shape, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func TestVectorsAreReadAndWrittenAlike(t *testing.T) {
	all := shapes(t)
	of := func(id uint32) []shape {
		if id == None {
			return []shape{{kind: 't'}}
		}
		return all[id]
	}
	files, _ := filepath.Glob(filepath.Join(vectors, "*.rows"))
	if len(files) < 6 {
		t.Fatalf("%d vectors in %s", len(files), vectors)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".rows")
		input := read(t, name+".rows")
		batch, err := Parse(input)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := dump(batch, all), string(read(t, name+".txt")); got != want {
			t.Errorf("%s reads as\n%s\nand not as\n%s", name, got, want)
		}
		copied, written := NewWriter(0), NewWriter(0)
		for _, topic := range batch.Topics() {
			copied.Topic(topic)
		}
		for _, r := range batch.All() {
			copied.Copy(r, copied.Topic(batch.TopicOf(r)))
			written.Begin(r.Meta(written.Topic(batch.TopicOf(r))))
			if v, ok := r.Value(); ok {
				id, _ := r.ValueSchema()
				written.EndValue(again(written.Rows(), v, of(id)))
			}
			if k, ok := r.Key(); ok {
				id, _ := r.KeySchema()
				written.EndKey(again(written.Rows(), k, of(id)))
			}
			for h := range r.Headers() {
				written.Header(h)
			}
			written.End()
		}
		if !bytes.Equal(copied.Finish(), input) {
			t.Errorf("%s: a copy of every record is another buffer", name)
		}
		if !bytes.Equal(written.Finish(), input) {
			t.Errorf("%s: every record written anew is another buffer", name)
		}
	}
}

func TestMalformedBuffersAreRefusedAndNeverReadPast(t *testing.T) {
	all := shapes(t)
	lines := strings.Split(strings.TrimSpace(string(read(t, "mutations"))), "\n")
	if len(lines) < 1000 {
		t.Fatalf("%d mutations", len(lines))
	}
	for _, line := range lines {
		var name, kind, want string
		var at int
		var flip byte
		if _, err := fmt.Sscan(line, &name, &kind, &at, &flip, &want); err != nil {
			t.Fatal(err)
		}
		input := read(t, name+".rows")
		if kind == "cut" {
			input = input[:at:at]
		} else {
			input[at] ^= flip
		}
		got := "refused"
		if batch, err := Parse(input); err == nil {
			h := fnv.New64a()
			h.Write([]byte(dump(batch, all)))
			got = fmt.Sprintf("%016x", h.Sum64())
		}
		if got != want {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"plain", "changing", "nested", "wide"} {
		b, err := os.ReadFile(filepath.Join(vectors, name+".rows"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	of := []shape{{kind: 't'}, {'{', []shape{{kind: 't'}}}, {'[', []shape{{kind: 'i'}}}}
	f.Fuzz(func(t *testing.T, b []byte) {
		if batch, err := Parse(b); err == nil {
			_ = dump(batch, [][]shape{of, of, of, of})
		}
	})
}

func edited(edits ...Edit) string {
	w := NewWriter(0)
	meta := NewMeta(w.Topic("t"))
	meta.Offset, meta.ValueSchema = 9, 3
	w.Begin(meta)
	root := w.Rows().Begin(3)
	w.Rows().SetText(root, 0, "note")
	after := w.Rows().Begin(2)
	w.Rows().SetText(after, 0, "ada@example.com")
	w.Rows().SetText(after, 1, "Ada")
	w.Rows().EndNested(root, 2, after)
	w.EndValue(root)
	key := w.Rows().Begin(1)
	w.Rows().SetInt64(key, 0, 42)
	w.EndKey(key)
	w.Header(Header{Name: "h", Schema: None})
	w.End()
	in, _ := Parse(w.Finish())

	out := NewWriter(0)
	out.CopyEdited(in.Record(0), out.Topic("t"), edits...)
	b, err := Parse(out.Finish())
	if err != nil {
		return err.Error()
	}
	r := b.Record(0)
	offset, _ := r.Offset()
	id, _ := r.ValueSchema()
	k, _ := r.Key()
	headers := 0
	for range r.Headers() {
		headers++
	}
	v, _ := r.Value()
	a, _ := v.Row(2)
	return fmt.Sprintln(offset, id, k.Int64(0), headers, v.Text(0), v.IsNull(1), a.Text(0), a.Text(1))
}

func TestEditsOfShorterLongerAndMissingValues(t *testing.T) {
	for _, c := range []struct {
		want  string
		edits []Edit
	}{
		{"9 3 42 1 note true ada@example.com Ada", nil},
		{"9 3 42 1 note true ada@example.com Ada", []Edit{{[]int{1, 0}, []byte("through a null")}, {[]int{9}, []byte("no slot")}}},
		{"9 3 42 1  true *** Ada", []Edit{{[]int{2, 0}, []byte("***")}, {[]int{0}, nil}}},
		{"9 3 42 1 a longer note true a.much.longer@example.com Ada Lovelace", []Edit{
			{[]int{2, 1}, []byte("Ada Lovelace")}, {[]int{2, 0}, []byte("a.much.longer@example.com")}, {[]int{0}, []byte("a longer note")}}},
	} {
		if got := edited(c.edits...); got != c.want+"\n" {
			t.Errorf("%v: %q and not %q", c.edits, got, c.want)
		}
	}
}

func TestAWriterThatIsResetWritesAsANewOne(t *testing.T) {
	write := func(w *Writer, topics ...string) []byte {
		for i, topic := range topics {
			w.Begin(NewMeta(w.Topic(topic)))
			m := w.Rows().Begin(2)
			w.Rows().SetText(m, 1, topic)
			w.EndValue(m)
			w.Header(Header{Name: "i", Schema: None})
			if w.End(); i == 1 {
				w.Undo()
			}
		}
		return w.Finish()
	}
	kept := NewWriter(0)
	for _, topics := range [][]string{{"a", "b", "a", "c"}, {}, {"c"}, {"d", "e", "f", "g", "h", "i"}} {
		kept.Reset()
		got, want := write(kept, topics...), write(NewWriter(0), topics...)
		if !bytes.Equal(got, want) {
			t.Errorf("%v:\n%x instead of\n%x", topics, got, want)
		}
		if _, err := Parse(got); err != nil {
			t.Errorf("%v: %v", topics, err)
		}
	}
}
