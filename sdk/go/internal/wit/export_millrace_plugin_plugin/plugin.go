// Package export_millrace_plugin_plugin is what the generated exports call; the SDK sets it.
package export_millrace_plugin_plugin

import (
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

var (
	OnDescribe func() wit.PluginInfo
	OnValidate func(config []witTypes.Tuple2[string, string]) []wit.ConfigIssue
)

func Describe() wit.PluginInfo { return OnDescribe() }

func Validate(config []witTypes.Tuple2[string, string]) []wit.ConfigIssue { return OnValidate(config) }
