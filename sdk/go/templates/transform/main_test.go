package main

import (
	"strings"
	"testing"

	"millrace/plugin"
	"millrace/plugin/row"
)

var users = &plugin.Schema{Kind: plugin.KindStruct, Fields: []plugin.Field{
	{Name: "id", Schema: &plugin.Schema{Kind: plugin.KindInt64}},
	{Name: "email", Schema: &plugin.Schema{Kind: plugin.KindText, Optional: true}},
}}

// configured is a transform with settings, as a worker makes it.
func configured(t *testing.T, settings map[string]string) *MyPlugin {
	t.Helper()
	p := &MyPlugin{}
	if err := p.Configure(plugin.Context{Config: plugin.NewConfig(settings, info.Keys...)}); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheFieldIsHidden(t *testing.T) {
	id, err := plugin.Intern(users)
	if err != nil {
		t.Fatal(err)
	}
	in := row.NewWriter(0)
	meta := row.NewMeta(in.Topic("users"))
	meta.ValueSchema = id
	in.Begin(meta)
	value := in.Rows().Begin(len(users.Fields))
	in.Rows().SetInt64(value, 0, 1)
	in.Rows().SetText(value, 1, "ada@example.com")
	in.EndValue(value)
	in.End()
	in.Begin(row.NewMeta(in.Topic("users"))) // a tombstone
	in.End()
	batch, err := plugin.BatchOf(in.Finish())
	if err != nil {
		t.Fatal(err)
	}

	outcome, err := configured(t, map[string]string{"field": "email"}).Apply(batch)
	if err != nil {
		t.Fatal(err)
	}
	out, err := row.Parse(outcome.Rows)
	if err != nil {
		t.Fatal(err)
	}
	if out.Len() != 2 || len(outcome.Failures) != 0 {
		t.Fatalf("%d records, failures %v", out.Len(), outcome.Failures)
	}
	if value, _ := out.Record(0).Value(); value.Int64(0) != 1 || value.Text(1) != "***" {
		t.Errorf("%d %q", value.Int64(0), value.Text(1))
	}
	if _, ok := out.Record(1).Value(); ok {
		t.Error("the tombstone has a value")
	}
}

func TestAMissingFieldIsAnErrorOfItsKey(t *testing.T) {
	err := (&MyPlugin{}).Configure(plugin.Context{Config: plugin.NewConfig(nil, info.Keys...)})
	if err == nil || !strings.Contains(err.Error(), `"field" is missing; give it a value`) {
		t.Errorf("%v", err)
	}
}
