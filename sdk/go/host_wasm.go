package plugin

import (
	"time"

	"millrace/plugin/internal/wit/millrace_plugin_config"
	"millrace/plugin/internal/wit/millrace_plugin_logging"
	"millrace/plugin/internal/wit/millrace_plugin_metrics"
	"millrace/plugin/internal/wit/millrace_plugin_records"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

type pair = witTypes.Tuple2[string, string]

type hostBatch struct {
	batch *millrace_plugin_records.Batch
}

func (h hostBatch) len() int     { return int(h.batch.Len()) }
func (h hostBatch) rows() []byte { return h.batch.Rows() }

func (h hostBatch) column(path string, style Style) (*Column, error) {
	r := h.batch.Column(path, uint8(style))
	if r.IsErr() {
		return nil, errorOf(r.Err())
	}
	from := r.Ok()
	c := &Column{Path: from.Path, Nulls: from.Nulls}
	switch from.Data.Tag() {
	case millrace_plugin_records.ColumnDataBooleans:
		c.Booleans = from.Data.Booleans()
	case millrace_plugin_records.ColumnDataInt64s:
		c.Int64s = from.Data.Int64s()
	case millrace_plugin_records.ColumnDataFloat64s:
		c.Float64s = from.Data.Float64s()
	case millrace_plugin_records.ColumnDataTexts:
		c.Texts = from.Data.Texts()
	default:
		p := from.Data.Packed()
		c.Packed = &Packed{p.Offsets, p.Data}
	}
	return c, nil
}

func (c *Column) wire() millrace_plugin_records.Column {
	to := millrace_plugin_records.Column{Path: c.Path, Nulls: c.Nulls}
	switch {
	case c.Booleans != nil:
		to.Data = millrace_plugin_records.MakeColumnDataBooleans(c.Booleans)
	case c.Int64s != nil:
		to.Data = millrace_plugin_records.MakeColumnDataInt64s(c.Int64s)
	case c.Float64s != nil:
		to.Data = millrace_plugin_records.MakeColumnDataFloat64s(c.Float64s)
	case c.Packed != nil:
		to.Data = millrace_plugin_records.MakeColumnDataPacked(millrace_plugin_records.Packed(*c.Packed))
	default:
		to.Data = millrace_plugin_records.MakeColumnDataTexts(c.Texts)
	}
	return to
}

func (h hostBatch) documents(part string) ([]*string, error) {
	r := h.batch.Documents(part)
	if r.IsErr() {
		return nil, errorOf(r.Err())
	}
	documents := make([]*string, 0, len(r.Ok()))
	for _, d := range r.Ok() {
		documents = append(documents, pointer(d))
	}
	return documents, nil
}

func pointer[T any](o witTypes.Option[T]) *T {
	if o.IsNone() {
		return nil
	}
	v := o.Some()
	return &v
}

func option[T any](p *T) witTypes.Option[T] {
	if p == nil {
		return witTypes.None[T]()
	}
	return witTypes.Some(*p)
}

// text is an option of which the empty text is none.
func text(s string) witTypes.Option[string] {
	if s == "" {
		return witTypes.None[string]()
	}
	return witTypes.Some(s)
}

func pairs(from [][2]string) []pair {
	to := make([]pair, len(from))
	for i, p := range from {
		to[i] = pair{F0: p[0], F1: p[1]}
	}
	return to
}

func strings2(from []pair) [][2]string {
	to := make([][2]string, len(from))
	for i, p := range from {
		to[i] = [2]string{p.F0, p.F1}
	}
	return to
}

func errorOf(e wit.Error) *Error {
	return &Error{
		Kind: ErrorKind(e.Kind), Code: e.Code, Message: e.Message, Field: e.Field.SomeOr(""),
		RetryAfter: time.Duration(e.RetryAfterMs.SomeOr(0)) * time.Millisecond, Attributes: strings2(e.Attributes),
	}
}

func wireError(err error) *wit.Error {
	e := asError(err)
	w := wit.Error{
		Kind: uint8(e.Kind), Code: e.Code, Message: e.Message, Field: text(e.Field),
		RetryAfterMs: witTypes.None[uint64](), Attributes: pairs(e.Attributes),
	}
	if e.RetryAfter > 0 {
		w.RetryAfterMs = witTypes.Some(uint64(e.RetryAfter.Milliseconds()))
	}
	return &w
}

func hostSchema(id uint32) (*Schema, error) {
	r := millrace_plugin_records.GetSchema(id)
	if r.IsErr() {
		return nil, errorOf(r.Err())
	}
	nodes := r.Ok().Nodes
	built := make([]*Schema, len(nodes))
	bad := Fatal("schema.malformed", "the host's schema %d is not a tree", id)
	// Children come after their parents, so that it ends.
	for i := len(nodes) - 1; i >= 0; i-- {
		n := &nodes[i]
		s := &Schema{
			Kind: Kind(n.Kind), Optional: n.Optional, Name: n.Name.SomeOr(""), Doc: n.Doc.SomeOr(""),
			Version: pointer(n.Version), Default: pointer(n.DefaultValue), Parameters: strings2(n.Parameters),
		}
		child := func(at uint32) *Schema {
			if int(at) <= i || int(at) >= len(nodes) {
				return nil
			}
			return built[at]
		}
		for _, f := range n.Fields {
			c := child(f.Node)
			if c == nil {
				return nil, bad
			}
			s.Fields = append(s.Fields, Field{f.Name, c})
		}
		if n.Element.IsSome() {
			if s.Element = child(n.Element.Some()); s.Element == nil {
				return nil, bad
			}
		}
		if n.Key.IsSome() {
			if s.Key = child(n.Key.Some()); s.Key == nil {
				return nil, bad
			}
		}
		built[i] = s
	}
	if len(built) == 0 {
		return nil, bad
	}
	return built[0], nil
}

func hostIntern(s *Schema) (uint32, error) {
	var nodes []wit.TypeNode
	var add func(s *Schema) uint32
	add = func(s *Schema) uint32 {
		at := len(nodes)
		nodes = append(nodes, wit.TypeNode{})
		n := wit.TypeNode{
			Kind: uint8(s.Kind), Optional: s.Optional, Name: text(s.Name), Version: option(s.Version), Doc: text(s.Doc),
			DefaultValue: option(s.Default), Parameters: pairs(s.Parameters),
			Element: witTypes.None[uint32](), Key: witTypes.None[uint32](),
		}
		for _, f := range s.Fields {
			n.Fields = append(n.Fields, wit.Field{Name: f.Name, Node: add(f.Schema)})
		}
		if s.Element != nil {
			n.Element = witTypes.Some(add(s.Element))
		}
		if s.Key != nil {
			n.Key = witTypes.Some(add(s.Key))
		}
		nodes[at] = n
		return uint32(at)
	}
	add(s)
	r := millrace_plugin_records.InternSchema(wit.Schema{Nodes: nodes})
	if r.IsErr() {
		return 0, errorOf(r.Err())
	}
	return r.Ok(), nil
}

func hostLogEnabled(level Level) bool { return millrace_plugin_logging.Enabled(uint8(level)) }

func hostLog(level Level, message string, fields [][2]string) {
	millrace_plugin_logging.Log(uint8(level), message, pairs(fields))
}

func hostCount(name string, labels []Label, delta uint64) {
	millrace_plugin_metrics.CounterAdd(name, pairs(labels), delta)
}

func hostGauge(name string, labels []Label, v float64) {
	millrace_plugin_metrics.GaugeSet(name, pairs(labels), v)
}

func hostObserve(name string, labels []Label, v float64) {
	millrace_plugin_metrics.HistogramRecord(name, pairs(labels), v)
}

func configOf(given []pair, keys []Key) Config {
	m := make(map[string]string, len(given))
	for _, p := range given {
		m[p.F0] = p.F1
	}
	return NewConfig(m, keys...)
}

func contextOf(ctx wit.TaskContext, keys []Key) Context {
	return Context{
		Connector: ctx.Connector, Task: ctx.Task, Config: configOf(millrace_plugin_config.All(), keys),
		MemoryLimit: ctx.MemoryLimitBytes, CallDeadline: time.Duration(ctx.CallDeadlineMs) * time.Millisecond,
		Attributes: strings2(ctx.Attributes),
	}
}
