// Hides the text of one field.
package main

import (
	"millrace/plugin"
	"millrace/plugin/row"
	"millrace/plugin/transform"
)

var info = plugin.Info{
	Name:    "my-plugin",
	Version: "0.1.0",
	Doc:     "Hides the text of one field.",
	Keys: []plugin.Key{
		{Name: "field", Required: true, Doc: "The field to hide."},
		{Name: "mask", Default: "***", Doc: "What stands in its place."},
	},
}

func init() { transform.Export(info, func() plugin.Transform { return &MyPlugin{} }) }

// Never runs: the host calls what init has exported.
func main() {}

// MyPlugin is one place in a chain of transforms.
type MyPlugin struct {
	field string
	mask  []byte
	// The slots that lead to the field, by the schema of the value; none: it has no such text.
	slots *plugin.PerSchema[[]int]
	// Kept from call to call, which leaves the collector less to do.
	out    *row.Writer
	origin []uint32
}

func (p *MyPlugin) Configure(ctx plugin.Context) (err error) {
	if p.field, err = ctx.Config.Text("field"); err != nil {
		return err
	}
	mask, err := ctx.Config.Text("mask")
	p.mask, p.out = []byte(mask), row.NewWriter(0)
	// Positions are looked for once a schema, not once a record.
	p.slots = plugin.NewPerSchema(func(_ uint32, s *plugin.Schema) ([]int, error) {
		slots, field := s.Find(p.field)
		if field == nil || field.Kind != plugin.KindText {
			return nil, nil
		}
		return slots, nil
	})
	return err
}

func (p *MyPlugin) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	rows, err := batch.Rows()
	if err != nil {
		return nil, err
	}
	out, origin := p.out, p.origin[:0]
	out.Reset()
	var failures []plugin.RecordFailure
	for i, record := range rows.All() {
		topic := out.Topic(rows.TopicOf(record))
		if _, ok := record.Value(); !ok {
			out.Copy(record, topic) // a tombstone: as it is
			origin = append(origin, uint32(i))
			continue
		}
		var slots []int
		if id, ok := record.ValueSchema(); ok {
			if slots, err = p.slots.Get(id); err != nil {
				return nil, err
			}
		}
		if slots == nil {
			// This record alone goes to errors.tolerance and the dead letter queue.
			failures = append(failures, plugin.Poison(i, "my-plugin.no-field", "the value has no text field %q", p.field))
			continue
		}
		out.CopyEdited(record, topic, row.Edit{Path: slots, Value: p.mask})
		origin = append(origin, uint32(i))
	}
	p.origin = origin
	return plugin.Replace(out, origin).Failing(failures...), nil
}

func (p *MyPlugin) Close() {}
