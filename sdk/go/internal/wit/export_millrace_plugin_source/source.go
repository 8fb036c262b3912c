// Package export_millrace_plugin_source is what the generated exports call; the SDK sets it.
package export_millrace_plugin_source

import (
	"millrace/plugin/internal/wit/millrace_plugin_source"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

type config = []witTypes.Tuple2[string, string]

var (
	OnTaskConfigs func(given config, most uint32) ([]config, *wit.Error)
	OnStart       func(ctx wit.TaskContext, committed []millrace_plugin_source.SourceOffset) *wit.Error
	OnPoll        func(records, bytes uint32) (millrace_plugin_source.Polled, *wit.Error)
	OnCommit      func(offsets []millrace_plugin_source.SourceOffset) *wit.Error
	OnStop        func()
)

func result[T any](v T, err *wit.Error) witTypes.Result[T, wit.Error] {
	if err != nil {
		return witTypes.Err[T](*err)
	}
	return witTypes.Ok[T, wit.Error](v)
}

func TaskConfigs(given config, most uint32) witTypes.Result[[]config, wit.Error] {
	return result(OnTaskConfigs(given, most))
}

func Start(ctx wit.TaskContext, committed []millrace_plugin_source.SourceOffset) witTypes.Result[witTypes.Unit, wit.Error] {
	return result(witTypes.Unit{}, OnStart(ctx, committed))
}

func Poll(records, bytes uint32) witTypes.Result[millrace_plugin_source.Polled, wit.Error] {
	return result(OnPoll(records, bytes))
}

func Commit(offsets []millrace_plugin_source.SourceOffset) witTypes.Result[witTypes.Unit, wit.Error] {
	return result(witTypes.Unit{}, OnCommit(offsets))
}

func Stop() { OnStop() }
