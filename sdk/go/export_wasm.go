package plugin

import (
	exportPlugin "millrace/plugin/internal/wit/export_millrace_plugin_plugin"
	exportTransform "millrace/plugin/internal/wit/export_millrace_plugin_transform"
	"millrace/plugin/internal/wit/millrace_plugin_records"
	"millrace/plugin/internal/wit/millrace_plugin_transform"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"
	"millrace/plugin/row"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

func exportInfo(kind uint8, info Info, fresh func() any) {
	exportPlugin.OnDescribe = func() wit.PluginInfo { return wireInfo(kind, info) }
	exportPlugin.OnValidate = func(given []pair) []wit.ConfigIssue {
		defer ends()
		v, ok := fresh().(Validator)
		if !ok {
			return nil
		}
		var issues []wit.ConfigIssue
		for _, i := range v.Validate(configOf(given, info.Keys)) {
			issues = append(issues, wit.ConfigIssue(i))
		}
		return issues
	}
}

// ExportTransform is what transform.Export calls.
func ExportTransform(info Info, fresh func() Transform) {
	exportInfo(wit.PluginKindTransform, info, func() any { return fresh() })
	var task Transform
	exportTransform.OnConfigure = func(ctx wit.TaskContext) *wit.Error {
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
	exportTransform.OnApply = func(batch *millrace_plugin_records.Batch) (out millrace_plugin_transform.Outcome, failed *wit.Error) {
		defer ends()
		if task == nil {
			return out, wireError(notStarted)
		}
		outcome, err := task.Apply(&Batch{host: hostBatch{batch}})
		if err != nil {
			return out, wireError(err)
		}
		return wireOutcome(outcome), nil
	}
	exportTransform.OnClose = func() {
		defer ends()
		if task != nil {
			task.Close()
			task = nil
		}
	}
}

func wireOutcome(o *Outcome) (w millrace_plugin_transform.Outcome) {
	w.Output = millrace_plugin_transform.MakeOutputUnchanged()
	if o == nil {
		return w
	}
	w.Failures = wireFailures(o.Failures)
	switch {
	case o.Patch != nil:
		p := millrace_plugin_records.Patch{DropRows: o.Patch.DropRows, RemoveFields: o.Patch.RemoveFields}
		for i := range o.Patch.Set {
			p.Set = append(p.Set, o.Patch.Set[i].wire())
		}
		w.Output = millrace_plugin_transform.MakeOutputPatch(p)
	case o.replaced:
		r := millrace_plugin_transform.Replacement{Origin: o.Origin}
		if o.Rows != nil {
			r.Records = millrace_plugin_records.MakeEncodedRows(o.Rows)
		} else {
			r.Records = millrace_plugin_records.MakeEncodedDocuments(wireDocuments(o.Documents))
		}
		w.Output = millrace_plugin_transform.MakeOutputReplace(r)
	}
	return w
}

func wireFailures(from []RecordFailure) (to []wit.RecordFailure) {
	for _, f := range from {
		to = append(to, wit.RecordFailure(f))
	}
	return to
}

func wireDocuments(from []Document) []millrace_plugin_records.Document {
	to := make([]millrace_plugin_records.Document, 0, len(from))
	for _, d := range from {
		to = append(to, millrace_plugin_records.Document{Topic: option(d.Topic), Key: option(d.Key), Value: option(d.Value)})
	}
	return to
}

func wireInfo(kind uint8, info Info) wit.PluginInfo {
	w := wit.PluginInfo{
		Kind: kind, Name: info.Name, Version: info.Version, Documentation: info.Doc, ClassNames: info.ClassNames,
		RowFormats: []uint32{row.Format}, Capabilities: info.Capabilities,
	}
	order := map[string]uint32{}
	for i := range info.Keys {
		k := &info.Keys[i]
		order[k.Group]++
		value, has, attributes := k.wire()
		to := wit.ConfigKey{
			Name: k.Name, DefaultValue: witTypes.None[string](), Nullable: !k.Required && !has, Documentation: k.Doc,
			Group: text(k.Group), OrderInGroup: order[k.Group], DisplayName: k.DisplayName, Dependents: k.Dependents,
			Allowed: k.Allowed, Attributes: pairs(attributes),
			Kind: []uint8{wit.ConfigTypeText, wit.ConfigTypeBoolean, wit.ConfigTypeInt, wit.ConfigTypeShort, wit.ConfigTypeLong,
				wit.ConfigTypeDouble, wit.ConfigTypeList, wit.ConfigTypeClass, wit.ConfigTypePassword}[k.Type],
			Importance: []uint8{wit.ImportanceMedium, wit.ImportanceHigh, wit.ImportanceLow}[k.Importance],
		}
		if has {
			to.DefaultValue = witTypes.Some(value)
		}
		if k.Required && k.Importance == Medium {
			to.Importance = wit.ImportanceHigh
		}
		if to.DisplayName == "" {
			to.DisplayName = k.Name
		}
		w.Keys = append(w.Keys, to)
	}
	for _, b := range info.Bindings {
		w.Bindings = append(w.Bindings, wit.Binding{Name: b.Name, Capability: b.Capability, Parts: pairs(b.Parts)})
	}
	return w
}
