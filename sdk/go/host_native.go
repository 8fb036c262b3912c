//go:build !wasm

package plugin

import (
	"fmt"
	"os"
)

type hostBatch struct{}

func (hostBatch) len() int     { return 0 }
func (hostBatch) rows() []byte { return nil }

func (hostBatch) column(path string, _ Style) (*Column, error) {
	return nil, Fatal("records.native", "column %q is made by the host; a test outside it reads rows", path)
}

func (hostBatch) documents(part string) ([]*string, error) {
	return nil, Fatal("records.native", "documents of the %s are made by the host; a test outside it reads rows", part)
}

func hostSchema(id uint32) (*Schema, error) {
	return nil, Fatal("schema.unknown", "no schema has the id %d", id)
}

func hostIntern(*Schema) (uint32, error) { return uint32(len(schemas)), nil }

func hostLogEnabled(level Level) bool { return level >= Information }

func hostLog(level Level, message string, fields [][2]string) {
	fmt.Fprintln(os.Stderr, level, message, fields)
}

func hostCount(string, []Label, uint64)    {}
func hostGauge(string, []Label, float64)   {}
func hostObserve(string, []Label, float64) {}
