package plugin

import (
	exportPlain "millrace/plugin/internal/wit/export_millrace_plugin_plain"
	"millrace/plugin/internal/wit/millrace_plugin_plain"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// ExportPlain is what plain.Export calls.
func ExportPlain(info Info, fresh func() PlainTransform) {
	exportInfo(wit.PluginKindTransform, info, func() any { return fresh() })
	var task PlainTransform
	exportPlain.OnConfigure = func(ctx wit.TaskContext) *wit.Error {
		defer ends()
		c := contextOf(ctx, info.Keys)
		bound(c.MemoryLimit)
		t := fresh()
		if err := t.Configure(c); err != nil {
			return wireError(err)
		}
		task = t
		return nil
	}
	exportPlain.OnApply = func(records []millrace_plugin_plain.PlainRecord) ([]millrace_plugin_plain.PlainOutcome, *wit.Error) {
		defer ends()
		if task == nil {
			return nil, wireError(notStarted)
		}
		outcomes := make([]millrace_plugin_plain.PlainOutcome, 0, len(records))
		for i := range records {
			record := plainOf(&records[i])
			o, err := task.Apply(&record)
			if err != nil {
				return nil, wireError(err)
			}
			outcomes = append(outcomes, o.wire())
		}
		return outcomes, nil
	}
	exportPlain.OnClose = func() {
		defer ends()
		if task != nil {
			task.Close()
			task = nil
		}
	}
}

func plainOf(w *millrace_plugin_plain.PlainRecord) PlainRecord {
	r := PlainRecord{Topic: w.Topic, Partition: pointer(w.Partition), Offset: pointer(w.Offset),
		Timestamp: pointer(w.Timestamp), Key: pointer(w.Key), Value: pointer(w.Value)}
	for _, h := range w.Headers {
		r.Headers = append(r.Headers, PlainHeader{h.F0, pointer(h.F1)})
	}
	return r
}

func (o *PlainOutcome) wire() millrace_plugin_plain.PlainOutcome {
	switch {
	case o.failure != nil:
		return millrace_plugin_plain.MakePlainOutcomeFailed(millrace_plugin_plain.PlainFailure{
			Retriable: o.failure.Retriable, Code: o.failure.Code, Message: o.failure.Message})
	case !o.replaced:
		return millrace_plugin_plain.MakePlainOutcomeUnchanged()
	}
	records := make([]millrace_plugin_plain.PlainRecord, 0, len(o.records))
	for _, r := range o.records {
		w := millrace_plugin_plain.PlainRecord{Topic: r.Topic, Partition: option(r.Partition), Offset: option(r.Offset),
			Timestamp: option(r.Timestamp), Key: option(r.Key), Value: option(r.Value)}
		for _, h := range r.Headers {
			w.Headers = append(w.Headers, witTypes.Tuple2[string, witTypes.Option[string]]{F0: h.Name, F1: option(h.Value)})
		}
		records = append(records, w)
	}
	return millrace_plugin_plain.MakePlainOutcomeRecords(records)
}
