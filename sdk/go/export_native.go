//go:build !wasm

package plugin

// ExportTransform is what transform.Export calls. Outside a component it does nothing.
func ExportTransform(info Info, fresh func() Transform) {}

// ExportSource is what source.Export calls. Outside a component it does nothing.
func ExportSource(info Info, fresh func() Source) {}

// ExportSink is what sink.Export calls. Outside a component it does nothing.
func ExportSink(info Info, fresh func() Sink) {}

// ExportPlain is what plain.Export calls. Outside a component it does nothing.
func ExportPlain(info Info, fresh func() PlainTransform) {}
