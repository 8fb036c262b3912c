// Writes a line for each record into a file: its topic, partition and offset.
package main

import (
	"fmt"

	"millrace/plugin"
	"millrace/plugin/row"
	"millrace/plugin/sink"
)

var info = plugin.Info{
	Name:    "my-plugin",
	Version: "0.1.0",
	Doc:     "Writes a line for each record into a file: its topic, partition and offset.",
	Keys: []plugin.Key{
		{Name: "file", Required: true, Doc: "The file to append to."},
	},
	// What the plugin opens as "out" is the file that the key "file" names.
	Bindings: []plugin.Binding{{Name: "out", Capability: "files", Parts: [][2]string{{"path", "file"}}}},
}

func init() { sink.Export(info, func() plugin.Sink { return &MyPlugin{} }) }

// Never runs: the host calls what init has exported.
func main() {}

// MyPlugin is one task.
type MyPlugin struct {
	out   *plugin.FileAppender
	lines []byte
}

func (p *MyPlugin) Start(plugin.Context) (err error) {
	p.out, err = plugin.AppendFile("out")
	return err
}

// Put: an error means that nothing of the batch was taken; a record that fails alone is named in the answer.
func (p *MyPlugin) Put(batch *plugin.Batch) ([]plugin.RecordFailure, error) {
	rows, err := batch.Rows()
	if err != nil {
		return nil, err
	}
	p.lines = lines(p.lines[:0], rows)
	return nil, p.out.Append(p.lines)
}

// lines appends a line for each record.
func lines(to []byte, rows *row.Batch) []byte {
	for _, record := range rows.All() {
		partition, _ := record.Partition()
		offset, _ := record.Offset()
		to = fmt.Appendf(to, "%s %d %d\n", rows.TopicOf(record), partition, offset)
	}
	return to
}

// Flush: what this answers is committed, so only what can no longer be lost.
func (p *MyPlugin) Flush(upto []plugin.TopicOffset) (plugin.Flushed, error) {
	if err := p.out.Sync(); err != nil {
		return plugin.Flushed{}, err
	}
	return plugin.FlushedAll(upto), nil
}

func (p *MyPlugin) Stop() { p.out.Close() }
