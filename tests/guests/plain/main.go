// For tests: does what the field "do" of each value says, over records as simple values.
package main

import (
	"encoding/json"

	"millrace/plugin"
	"millrace/plugin/plain"
)

var info = plugin.Info{Name: "plain-go", Version: "0.1.0", Doc: "For tests: does what the field \"do\" of a value says."}

func init() { plain.Export(info, func() plugin.PlainTransform { return &edit{} }) }

func main() {}

type edit struct{}

func (*edit) Configure(plugin.Context) error { return nil }

func (*edit) Close() {}

func (*edit) Apply(record *plugin.PlainRecord) (plugin.PlainOutcome, error) {
	if record.Value == nil {
		return plugin.PlainUnchanged(), nil
	}
	var value map[string]any
	if err := json.Unmarshal([]byte(*record.Value), &value); err != nil {
		return plugin.PlainPoison("plain.no-json", "%v", err), nil
	}
	with := func(n int) (plugin.PlainRecord, error) {
		value["id"] = n
		text, err := json.Marshal(value)
		changed, made := string(text), *record
		made.Value = &changed
		return made, err
	}
	switch value["do"] {
	case "edit":
		made, err := with(7)
		by := `"go"`
		made.Topic, made.Headers = made.Topic+"-edited", append(made.Headers, plugin.PlainHeader{Name: "by", Value: &by})
		return plugin.PlainRecords(made), err
	case "drop":
		return plugin.PlainRecords(), nil
	case "split":
		one, err := with(1)
		if err != nil {
			return plugin.PlainUnchanged(), err
		}
		two, err := with(2)
		return plugin.PlainRecords(one, two), err
	case "fail":
		return plugin.PlainPoison("plain.asked", "the record asked for it"), nil
	}
	return plugin.PlainUnchanged(), nil
}
