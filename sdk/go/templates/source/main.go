// Counts: a number every so often.
package main

import (
	"encoding/json"
	"time"

	"millrace/plugin"
	"millrace/plugin/row"
	"millrace/plugin/source"
)

var info = plugin.Info{
	Name:    "my-plugin",
	Version: "0.1.0",
	Doc:     "Counts: a number every so often.",
	Keys: []plugin.Key{
		{Name: "topic", Required: true, Doc: "Where the numbers go."},
		{Name: "every.ms", Type: plugin.Long, Default: 1000, Least: 1, Doc: "The time between two numbers."},
	},
}

func init() { source.Export(info, func() plugin.Source { return &MyPlugin{} }) }

// Never runs: the host calls what init has exported.
func main() {}

// Connect's source partition: this source has one.
const partition = `{"counter":"0"}`

// offset is where a task goes on.
type offset struct {
	Next int64 `json:"next"`
}

// MyPlugin is one task.
type MyPlugin struct {
	topic  string
	every  time.Duration
	at     offset
	schema uint32
}

func (p *MyPlugin) Start(ctx plugin.Context, committed []plugin.SourceOffset) (err error) {
	if p.topic, err = ctx.Config.Text("topic"); err != nil {
		return err
	}
	if p.every, err = ctx.Config.Duration("every.ms"); err != nil {
		return err
	}
	for _, c := range committed {
		if err := json.Unmarshal([]byte(c.Offset), &p.at); err != nil {
			return plugin.Fatal("my-plugin.offset", "cannot resume from %s: %v", c.Offset, err)
		}
	}
	p.schema, err = plugin.Intern(&plugin.Schema{Kind: plugin.KindInt64})
	return err
}

func (p *MyPlugin) Poll(maxRecords, maxBytes int) (*plugin.Polled, error) {
	out := row.NewWriter(0)
	meta := row.NewMeta(out.Topic(p.topic))
	meta.Timestamp, meta.ValueSchema = plugin.Now().UnixMilli(), p.schema
	out.Begin(meta)
	value := out.Rows().Begin(1)
	out.Rows().SetInt64(value, 0, p.at.Next)
	out.EndValue(value)
	out.End()

	p.at.Next++
	// Once this is committed, a restart goes on with the next number.
	resume, err := json.Marshal(p.at)
	if err != nil {
		return nil, err
	}
	polled := plugin.PolledRows(out).Mark(1, partition, string(resume))
	polled.Wait = p.every
	return polled, nil
}

func (p *MyPlugin) Stop() {}
