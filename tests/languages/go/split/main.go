// Makes a record of each part of a text.
package main

import (
	"bytes"

	"millrace/plugin"
	"millrace/plugin/row"
	"millrace/plugin/transform"
)

var info = plugin.Info{
	Name:    "split-go",
	Version: "0.1.0",
	Doc:     "Makes a record of each part of a text.",
	Keys:    []plugin.Key{{Name: "field", Required: true, Doc: "The field with parts joined by commas."}},
}

func init() { transform.Export(info, func() plugin.Transform { return &Split{} }) }

func main() {}

// Split copies a record's bytes once for each part.
type Split struct {
	// The path to the field, by the schema of the value; none: it has no such text.
	path *plugin.PerSchema[[]int]
	// Kept from call to call, for their memory.
	out    *row.Writer
	origin []uint32
}

func (s *Split) Configure(ctx plugin.Context) error {
	field, err := ctx.Config.Text("field")
	s.out = row.NewWriter(1 << 16)
	s.path = plugin.NewPerSchema(func(_ uint32, schema *plugin.Schema) ([]int, error) {
		slot := schema.Index(field)
		if slot < 0 || schema.Fields[slot].Schema.Kind != plugin.KindText {
			return nil, nil
		}
		return []int{slot}, nil
	})
	return err
}

func (s *Split) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	rows, err := batch.Rows()
	if err != nil {
		return nil, err
	}
	out, origin := s.out, s.origin[:0]
	out.Reset()
	for i, record := range rows.All() {
		topic := out.Topic(rows.TopicOf(record))
		path, text, err := s.text(record)
		if err != nil {
			return nil, err
		}
		if path == nil {
			out.Copy(record, topic)
			origin = append(origin, uint32(i))
			continue
		}
		for more := true; more; origin = append(origin, uint32(i)) {
			var part []byte
			part, text, more = bytes.Cut(text, []byte{','})
			out.CopyEdited(record, topic, row.Edit{Path: path, Value: part})
		}
	}
	s.origin = origin
	return plugin.Replace(out, origin), nil
}

func (s *Split) Close() {}

// text is where the field is, and what it has; nil: there is nothing to split.
func (s *Split) text(record row.Record) ([]int, []byte, error) {
	id, ok := record.ValueSchema()
	value, some := record.Value()
	if !ok || !some {
		return nil, nil, nil
	}
	path, err := s.path.Get(id)
	if err != nil || path == nil || value.IsNull(path[0]) {
		return nil, nil, err
	}
	return path, value.Data(path[0]), nil
}
