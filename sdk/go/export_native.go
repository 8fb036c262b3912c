//go:build !wasm

package plugin

// ExportTransform is what transform.Export calls. Outside a component it does nothing.
func ExportTransform(info Info, fresh func() Transform) {}
