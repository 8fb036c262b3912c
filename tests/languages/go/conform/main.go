// Does what the header "do" of each record asks, with all that the SDK's codec can.
package main

import (
	"millrace/plugin"
	"millrace/plugin/row"
	"millrace/plugin/transform"
)

var info = plugin.Info{
	Name:    "conform-go",
	Version: "0.1.0",
	Doc:     "Does what the header \"do\" of each record asks.",
	Keys:    []plugin.Key{{Name: "broken", Type: plugin.Boolean, Default: false, Doc: "Whether every batch is an error."}},
}

func init() { transform.Export(info, func() plugin.Transform { return &Conform{} }) }

func main() {}

// Conform writes every record anew, value by value.
type Conform struct {
	broken bool
	// The id of the schema without the field "note", by the schema that has it.
	without *plugin.PerSchema[uint32]
	// Where a header's value is written.
	header row.Buf
}

func (c *Conform) Configure(ctx plugin.Context) (err error) {
	c.without = plugin.NewPerSchema(func(_ uint32, s *plugin.Schema) (uint32, error) {
		return plugin.Intern(s.With([]string{"note"}))
	})
	c.broken, err = ctx.Config.Bool("broken")
	return err
}

func (c *Conform) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	if c.broken {
		return nil, plugin.Fatal("conform.broken", "as asked")
	}
	rows, err := batch.Rows()
	if err != nil {
		return nil, err
	}
	out := row.NewWriter(len(rows.Bytes()))
	var origin []uint32
	var failures []plugin.RecordFailure
	for i, record := range rows.All() {
		name, wish, times := rows.TopicOf(record), wish(record), 1
		switch wish {
		case "drop":
			continue
		case "fail":
			failures = append(failures, plugin.Poison(i, "conform.asked", "as asked"))
			continue
		case "route":
			name += "-routed"
		case "twice":
			times = 2
		}
		for range times {
			if err := c.write(out, record, out.Topic(name), wish); err != nil {
				return nil, err
			}
			origin = append(origin, uint32(i))
		}
	}
	return plugin.Replace(out, origin).Failing(failures...), nil
}

func (c *Conform) Close() {}

// wish is the header "do".
func wish(record row.Record) string {
	wish := "copy"
	for header := range record.Headers() {
		if text, ok := header.Value.TryText(0); ok && header.Name == "do" && header.HasValue {
			wish = text
		}
	}
	return wish
}

func (c *Conform) write(out *row.Writer, record row.Record, topic uint32, wish string) error {
	meta := record.Meta(topic)
	valueSchema, err := schemaOf(meta.ValueSchema)
	if err != nil {
		return err
	}
	keySchema, err := schemaOf(meta.KeySchema)
	if err != nil {
		return err
	}
	if wish == "remove" && valueSchema != nil {
		if meta.ValueSchema, err = c.without.Get(meta.ValueSchema); err != nil {
			return err
		}
	}
	out.Begin(meta)
	if value, ok := record.Value(); ok {
		out.EndValue(root(out.Rows(), valueSchema, value, wish))
	}
	if key, ok := record.Key(); ok {
		out.EndKey(root(out.Rows(), keySchema, key, "copy"))
	}
	for header := range record.Headers() {
		if header.HasValue {
			schema, err := schemaOf(header.Schema)
			if err != nil {
				return err
			}
			c.header.Reset()
			root(&c.header, schema, header.Value, "copy")
			header.Value, _ = row.NewRow(c.header.Bytes())
		}
		out.Header(header)
	}
	out.End()
	return nil
}

// schemaOf is nil where there is none.
func schemaOf(id uint32) (*plugin.Schema, error) {
	if id == row.None {
		return nil, nil
	}
	return plugin.SchemaOf(id)
}

// root writes a key, a value or a header. What is no struct is one slot, and without a schema that is one text.
func root(out *row.Buf, schema *plugin.Schema, from row.Row, wish string) row.Mark {
	if schema != nil && schema.Kind == plugin.KindStruct {
		return fields(out, schema, from, wish)
	}
	to := out.Begin(1)
	slot(out, to, 0, schema, from, 0)
	return to
}

func fields(out *row.Buf, schema *plugin.Schema, from row.Row, wish string) row.Mark {
	note := schema.Index("note")
	n := len(schema.Fields)
	if wish == "remove" && note >= 0 {
		n--
	}
	to, next := out.Begin(n), 0
	for i, field := range schema.Fields {
		switch {
		case i == note && wish == "remove":
			continue
		case i == note && wish == "edit":
			out.SetText(to, next, "edited")
		default:
			slot(out, to, next, field.Schema, from, i)
		}
		next++
	}
	return to
}

func slot(out *row.Buf, to row.Mark, at int, schema *plugin.Schema, from row.Row, i int) {
	if from.IsNull(i) {
		return
	}
	kind := plugin.KindAny
	if schema != nil {
		kind = schema.Kind
	}
	switch kind {
	case plugin.KindBoolean:
		out.SetBool(to, at, from.Bool(i))
	case plugin.KindInt8, plugin.KindInt16, plugin.KindInt32, plugin.KindInt64:
		out.SetInt64(to, at, from.Int64(i))
	case plugin.KindFloat32, plugin.KindFloat64:
		out.SetFloat64(to, at, from.Float64(i))
	case plugin.KindText, plugin.KindAny:
		out.SetText(to, at, from.Text(i))
	case plugin.KindBytes:
		out.SetData(to, at, from.Data(i))
	case plugin.KindStruct:
		out.EndNested(to, at, fields(out, schema, inner(from, i), "copy"))
	case plugin.KindList:
		out.EndNested(to, at, list(out, schema.Element, inner(from, i)))
	case plugin.KindMap:
		both := out.Begin(2)
		for part, of := range []*plugin.Schema{schema.Key, schema.Element} {
			out.EndNested(both, part, list(out, of, inner(inner(from, i), part)))
		}
		out.EndNested(to, at, both)
	}
}

// inner is the row behind a slot; the host has checked that there is one where the schema says so.
func inner(from row.Row, i int) row.Row {
	nested, _ := from.Row(i)
	return nested
}

func list(out *row.Buf, element *plugin.Schema, from row.Row) row.Mark {
	to := out.Begin(from.Len())
	for i := range from.Len() {
		slot(out, to, i, element, from, i)
	}
	return to
}
