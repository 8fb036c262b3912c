package main

import (
	"testing"

	"millrace/plugin"
	"millrace/plugin/row"
)

// started is a task, as a worker starts it.
func started(t *testing.T, committed ...plugin.SourceOffset) *MyPlugin {
	t.Helper()
	p := &MyPlugin{}
	config := plugin.NewConfig(map[string]string{"topic": "numbers"}, info.Keys...)
	if err := p.Start(plugin.Context{Config: config}, committed); err != nil {
		t.Fatal(err)
	}
	return p
}

// next is the number that a poll brings, and where it is to go on from.
func next(t *testing.T, p *MyPlugin) (int64, plugin.SourceOffset) {
	t.Helper()
	polled, err := p.Poll(100, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := row.Parse(polled.Rows)
	if err != nil {
		t.Fatal(err)
	}
	value, _ := rows.Record(0).Value()
	mark := polled.Marks[0]
	return value.Int64(0), plugin.SourceOffset{Partition: mark.Partition, Offset: mark.Offset}
}

func TestItGoesOnWhereItWas(t *testing.T) {
	first, resume := next(t, started(t))
	second, _ := next(t, started(t, resume))
	if first != 0 || second != 1 {
		t.Errorf("%d, then %d after a restart at %s", first, second, resume.Offset)
	}
}

func TestAnOffsetOfAnotherKindIsRefused(t *testing.T) {
	config := plugin.NewConfig(map[string]string{"topic": "numbers"}, info.Keys...)
	err := (&MyPlugin{}).Start(plugin.Context{Config: config}, []plugin.SourceOffset{{Offset: `{"next":"x"}`}})
	if err == nil {
		t.Error("it started")
	}
}
