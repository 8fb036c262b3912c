package main

import (
	"fmt"
	"strings"
	"testing"

	"millrace/plugin"
	"millrace/plugin/row"
)

var schema = &plugin.Schema{Kind: plugin.KindStruct, Fields: []plugin.Field{
	{Name: "id", Schema: &plugin.Schema{Kind: plugin.KindInt64}},
	{Name: "email", Schema: &plugin.Schema{Kind: plugin.KindText, Optional: true}},
	{Name: "phones", Schema: &plugin.Schema{Kind: plugin.KindText, Optional: true}},
}}

// batch makes records of e-mail and phones; "-" is null.
func batch(t *testing.T, records ...[2]string) *plugin.Batch {
	id, err := plugin.Intern(schema)
	if err != nil {
		t.Fatal(err)
	}
	w := row.NewWriter(0)
	for i, r := range records {
		meta := row.NewMeta(w.Topic("people"))
		meta.ValueSchema = id
		w.Begin(meta)
		value := w.Rows().Begin(3)
		w.Rows().SetInt64(value, 0, int64(i))
		for f, text := range r {
			if text != "-" {
				w.Rows().SetText(value, f+1, text)
			}
		}
		w.EndValue(value)
		w.End()
	}
	b, err := plugin.BatchOf(w.Finish())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordsAreMaskedLeftOutAndSplit(t *testing.T) {
	c := &contacts{}
	config := plugin.NewConfig(map[string]string{"field": "email", "drop.domain": "spam.test", "split.field": "phones"}, info.Keys...)
	if err := c.Configure(plugin.Context{Config: config}); err != nil {
		t.Fatal(err)
	}
	outcome, err := c.Apply(batch(t, [2]string{"ada@example.com", "1, 23"}, [2]string{"x@SPAM.test", "9"}, [2]string{"nobody", "-"},
		[2]string{"-", "-"}, [2]string{"żółw@a.pl", "-"}))
	if err != nil {
		t.Fatal(err)
	}
	out, err := row.Parse(outcome.Rows)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, r := range out.All() {
		v, _ := r.Value()
		got = append(got, fmt.Sprintf("%d:%s/%s", outcome.Origin[i], v.Text(1), v.Text(2)))
	}
	want := "0:a**@example.com/1 0:a**@example.com/23 3:/ 4:ż***@a.pl/"
	if strings.Join(got, " ") != want {
		t.Errorf("%s and not %s", strings.Join(got, " "), want)
	}
	if len(outcome.Failures) != 1 || outcome.Failures[0].Row != 2 {
		t.Errorf("failures %v", outcome.Failures)
	}
}

func TestAMissingFieldIsAnErrorOfItsKey(t *testing.T) {
	err := (&contacts{}).Configure(plugin.Context{Config: plugin.NewConfig(nil, info.Keys...)})
	if err == nil || !strings.Contains(err.Error(), `"field" is missing; give it a value`) {
		t.Errorf("%v", err)
	}
}
