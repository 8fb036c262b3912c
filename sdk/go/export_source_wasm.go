package plugin

import (
	exportSource "millrace/plugin/internal/wit/export_millrace_plugin_source"
	"millrace/plugin/internal/wit/millrace_plugin_records"
	"millrace/plugin/internal/wit/millrace_plugin_source"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"
	"millrace/plugin/row"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

var notStarted = Fatal("plugin.not-started", "the host called a task before it was started")

// taskConfigs asks a value that splits its work; without one, n tasks are alike.
func taskConfigs(value any, given []pair, keys []Key, most, n uint32) ([][]pair, *wit.Error) {
	splitter, ok := value.(Splitter)
	if !ok {
		all := make([][]pair, n)
		for i := range all {
			all[i] = given
		}
		return all, nil
	}
	configs, err := splitter.TaskConfigs(configOf(given, keys), int(most))
	if err != nil {
		return nil, wireError(err)
	}
	all := make([][]pair, 0, len(configs))
	for _, c := range configs {
		var one []pair
		for k, v := range c {
			one = append(one, pair{F0: k, F1: v})
		}
		all = append(all, one)
	}
	return all, nil
}

// ExportSource is what source.Export calls.
func ExportSource(info Info, fresh func() Source) {
	exportInfo(wit.PluginKindSource, info, func() any { return fresh() })
	var task Source
	exportSource.OnTaskConfigs = func(given []pair, most uint32) ([][]pair, *wit.Error) {
		defer ends()
		return taskConfigs(fresh(), given, info.Keys, most, 1)
	}
	exportSource.OnStart = func(ctx wit.TaskContext, committed []millrace_plugin_source.SourceOffset) *wit.Error {
		defer ends()
		c := contextOf(ctx, info.Keys)
		bound(c.MemoryLimit)
		t := fresh()
		if err := t.Start(c, offsetsOf(committed)); err != nil {
			return wireError(err)
		}
		task = t
		return nil
	}
	exportSource.OnPoll = func(records, bytes uint32) (w millrace_plugin_source.Polled, failed *wit.Error) {
		defer ends()
		if task == nil {
			return w, wireError(notStarted)
		}
		polled, err := task.Poll(int(records), int(bytes))
		if err != nil {
			return w, wireError(err)
		}
		return wirePolled(polled), nil
	}
	exportSource.OnCommit = func(offsets []millrace_plugin_source.SourceOffset) *wit.Error {
		defer ends()
		if c, ok := task.(Committer); ok {
			if err := c.Commit(offsetsOf(offsets)); err != nil {
				return wireError(err)
			}
		}
		return nil
	}
	exportSource.OnStop = func() {
		defer ends()
		if task != nil {
			task.Stop()
			task = nil
		}
	}
}

func offsetsOf(from []millrace_plugin_source.SourceOffset) []SourceOffset {
	to := make([]SourceOffset, len(from))
	for i, o := range from {
		to[i] = SourceOffset(o)
	}
	return to
}

func wirePolled(p *Polled) millrace_plugin_source.Polled {
	if p == nil {
		p = &Polled{}
	}
	w := millrace_plugin_source.Polled{IdleMs: witTypes.None[uint32]()}
	switch {
	case p.Documents != nil:
		w.Records = millrace_plugin_records.MakeEncodedDocuments(wireDocuments(p.Documents))
	case p.Rows != nil:
		w.Records = millrace_plugin_records.MakeEncodedRows(p.Rows)
	default:
		w.Records = millrace_plugin_records.MakeEncodedRows(row.NewWriter(0).Finish())
	}
	if p.Wait > 0 {
		w.IdleMs = witTypes.Some(millis(p.Wait))
	}
	at := map[string]uint32{}
	for _, m := range p.Marks {
		partition, ok := at[m.Partition]
		if !ok {
			partition = uint32(len(w.Partitions))
			at[m.Partition] = partition
			w.Partitions = append(w.Partitions, m.Partition)
		}
		w.Marks = append(w.Marks, millrace_plugin_source.Mark{
			Through: uint32(m.Through), Partition: partition, Offset: m.Offset, Boundary: m.Boundary})
	}
	return w
}
