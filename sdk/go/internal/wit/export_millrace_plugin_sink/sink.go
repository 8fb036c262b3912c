// Package export_millrace_plugin_sink is what the generated exports call; the SDK sets it.
package export_millrace_plugin_sink

import (
	"millrace/plugin/internal/wit/millrace_plugin_records"
	"millrace/plugin/internal/wit/millrace_plugin_sink"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

type config = []witTypes.Tuple2[string, string]

var (
	OnTaskConfigs func(given config, most uint32) ([]config, *wit.Error)
	OnStart       func(ctx wit.TaskContext) *wit.Error
	OnOpen        func(partitions []millrace_plugin_sink.TopicPartition) ([]millrace_plugin_sink.TopicOffset, *wit.Error)
	OnPut         func(batch *millrace_plugin_records.Batch) ([]wit.RecordFailure, *wit.Error)
	OnFlush       func(upto []millrace_plugin_sink.TopicOffset) (millrace_plugin_sink.Flushed, *wit.Error)
	OnClose       func(partitions []millrace_plugin_sink.TopicPartition) *wit.Error
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

func Start(ctx wit.TaskContext) witTypes.Result[witTypes.Unit, wit.Error] {
	return result(witTypes.Unit{}, OnStart(ctx))
}

func Open(partitions []millrace_plugin_sink.TopicPartition) witTypes.Result[[]millrace_plugin_sink.TopicOffset, wit.Error] {
	return result(OnOpen(partitions))
}

func Put(batch *millrace_plugin_records.Batch) witTypes.Result[[]wit.RecordFailure, wit.Error] {
	failures, err := OnPut(batch)
	// A borrowed handle is given back before the call ends.
	batch.Drop()
	return result(failures, err)
}

func Flush(upto []millrace_plugin_sink.TopicOffset) witTypes.Result[millrace_plugin_sink.Flushed, wit.Error] {
	return result(OnFlush(upto))
}

func Close(partitions []millrace_plugin_sink.TopicPartition) witTypes.Result[witTypes.Unit, wit.Error] {
	return result(witTypes.Unit{}, OnClose(partitions))
}

func Stop() { OnStop() }
