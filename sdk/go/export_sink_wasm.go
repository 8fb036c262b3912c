package plugin

import (
	exportSink "millrace/plugin/internal/wit/export_millrace_plugin_sink"
	"millrace/plugin/internal/wit/millrace_plugin_records"
	"millrace/plugin/internal/wit/millrace_plugin_sink"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"
)

// ExportSink is what sink.Export calls.
func ExportSink(info Info, fresh func() Sink) {
	exportInfo(wit.PluginKindSink, info, func() any { return fresh() })
	var task Sink
	exportSink.OnTaskConfigs = func(given []pair, most uint32) ([][]pair, *wit.Error) {
		defer ends()
		return taskConfigs(fresh(), given, info.Keys, most, most)
	}
	exportSink.OnStart = func(ctx wit.TaskContext) *wit.Error {
		defer ends()
		c := contextOf(ctx, info.Keys)
		bound(c.MemoryLimit)
		t := fresh()
		if err := t.Start(c); err != nil {
			return wireError(err)
		}
		task = t
		return nil
	}
	exportSink.OnOpen = func(given []millrace_plugin_sink.TopicPartition) (w []millrace_plugin_sink.TopicOffset, failed *wit.Error) {
		defer ends()
		o, ok := task.(Opener)
		if !ok {
			return nil, nil
		}
		offsets, err := o.Open(partitionsOf(given))
		if err != nil {
			return nil, wireError(err)
		}
		return wireOffsets(offsets), nil
	}
	exportSink.OnPut = func(batch *millrace_plugin_records.Batch) ([]wit.RecordFailure, *wit.Error) {
		defer ends()
		if task == nil {
			return nil, wireError(notStarted)
		}
		failures, err := task.Put(&Batch{host: hostBatch{batch}})
		if err != nil {
			return nil, wireError(err)
		}
		return wireFailures(failures), nil
	}
	exportSink.OnFlush = func(given []millrace_plugin_sink.TopicOffset) (w millrace_plugin_sink.Flushed, failed *wit.Error) {
		defer ends()
		if task == nil {
			return w, wireError(notStarted)
		}
		upto := make([]TopicOffset, len(given))
		for i, o := range given {
			upto[i] = TopicOffset(o)
		}
		flushed, err := task.Flush(upto)
		if err != nil {
			return w, wireError(err)
		}
		w.Offsets = wireOffsets(flushed.Offsets)
		for _, f := range flushed.Failures {
			w.Failures = append(w.Failures, millrace_plugin_sink.LateFailure(f))
		}
		return w, nil
	}
	exportSink.OnClose = func(given []millrace_plugin_sink.TopicPartition) *wit.Error {
		defer ends()
		if c, ok := task.(Closer); ok {
			if err := c.Close(partitionsOf(given)); err != nil {
				return wireError(err)
			}
		}
		return nil
	}
	exportSink.OnStop = func() {
		defer ends()
		if task != nil {
			task.Stop()
			task = nil
		}
	}
}

func partitionsOf(from []millrace_plugin_sink.TopicPartition) []TopicPartition {
	to := make([]TopicPartition, len(from))
	for i, p := range from {
		to[i] = TopicPartition(p)
	}
	return to
}

func wireOffsets(from []TopicOffset) []millrace_plugin_sink.TopicOffset {
	to := make([]millrace_plugin_sink.TopicOffset, len(from))
	for i, o := range from {
		to[i] = millrace_plugin_sink.TopicOffset(o)
	}
	return to
}
