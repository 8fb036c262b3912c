package main

import (
	"testing"

	"millrace/plugin/row"
)

func TestEachRecordHasALine(t *testing.T) {
	w := row.NewWriter(0)
	for offset := range int64(2) {
		meta := row.NewMeta(w.Topic("orders"))
		meta.Partition, meta.Offset = 3, offset
		w.Begin(meta)
		w.End()
	}
	rows, err := row.Parse(w.Finish())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(lines(nil, rows)), "orders 3 0\norders 3 1\n"; got != want {
		t.Errorf("%q and not %q", got, want)
	}
}
