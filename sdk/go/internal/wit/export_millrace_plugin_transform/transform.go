// Package export_millrace_plugin_transform is what the generated exports call; the SDK sets it.
package export_millrace_plugin_transform

import (
	"millrace/plugin/internal/wit/millrace_plugin_records"
	"millrace/plugin/internal/wit/millrace_plugin_transform"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

var (
	OnConfigure func(ctx wit.TaskContext) *wit.Error
	OnApply     func(batch *millrace_plugin_records.Batch) (millrace_plugin_transform.Outcome, *wit.Error)
	OnClose     func()
)

func Configure(ctx wit.TaskContext) witTypes.Result[witTypes.Unit, wit.Error] {
	if err := OnConfigure(ctx); err != nil {
		return witTypes.Err[witTypes.Unit](*err)
	}
	return witTypes.Ok[witTypes.Unit, wit.Error](witTypes.Unit{})
}

func Apply(batch *millrace_plugin_records.Batch) witTypes.Result[millrace_plugin_transform.Outcome, wit.Error] {
	outcome, err := OnApply(batch)
	// A borrowed handle is given back before the call ends.
	batch.Drop()
	if err != nil {
		return witTypes.Err[millrace_plugin_transform.Outcome](*err)
	}
	return witTypes.Ok[millrace_plugin_transform.Outcome, wit.Error](outcome)
}

func Close() { OnClose() }
