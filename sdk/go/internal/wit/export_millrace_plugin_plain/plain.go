// Package export_millrace_plugin_plain is what the generated exports call; the SDK sets it.
package export_millrace_plugin_plain

import (
	"millrace/plugin/internal/wit/millrace_plugin_plain"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

var (
	OnConfigure func(ctx wit.TaskContext) *wit.Error
	OnApply     func(records []millrace_plugin_plain.PlainRecord) ([]millrace_plugin_plain.PlainOutcome, *wit.Error)
	OnClose     func()
)

func result[T any](v T, err *wit.Error) witTypes.Result[T, wit.Error] {
	if err != nil {
		return witTypes.Err[T](*err)
	}
	return witTypes.Ok[T, wit.Error](v)
}

func Configure(ctx wit.TaskContext) witTypes.Result[witTypes.Unit, wit.Error] {
	return result(witTypes.Unit{}, OnConfigure(ctx))
}

func Apply(records []millrace_plugin_plain.PlainRecord) witTypes.Result[[]millrace_plugin_plain.PlainOutcome, wit.Error] {
	return result(OnApply(records))
}

func Close() { OnClose() }
