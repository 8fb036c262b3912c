// Package plugin is what authors of Millrace plugins in Go use. A plugin is a program whose init exports one value:
//
//	func init() { transform.Export(info, func() transform.Transform { return &mask{} }) }
//	func main() {}
//
// Records are in millrace/plugin/row; see README.md for a plugin from nothing. On a machine that is not a worker (go
// test) schemas are interned in a table of the process, log lines go to standard error, and figures nowhere.
package plugin

import "time"

// Binding is something outside that the plugin opens by name through a capability ("postgres"), and the configuration
// keys that say where it is, as (part, key).
type Binding struct {
	Name, Capability string
	Parts            [][2]string
}

// Info is what a plugin says of itself.
type Info struct {
	// Name is the short name, as in "transforms.mask.type": "mask-email".
	Name, Version, Doc string
	// ClassNames are class names of the ecosystem that resolve to this plugin.
	ClassNames []string
	Keys       []Key
	Bindings   []Binding
	// Capabilities is an open set: "exactly-once", "single-task".
	Capabilities []string
}

// Context is what a task is told of itself.
type Context struct {
	Connector string
	Task      uint32
	// Config has the plugin's own keys; a transform's are without their prefix.
	Config Config
	// MemoryLimit and CallDeadline are what the host enforces.
	MemoryLimit  uint64
	CallDeadline time.Duration
	Attributes   [][2]string
}

// Level is that of a line in the log.
type Level uint8

const (
	Trace Level = iota
	Debug
	Information
	Warning
	Failure
)

// LogEnabled says whether a line of this level would be kept.
func LogEnabled(level Level) bool { return hostLogEnabled(level) }

// Log writes a line in the worker's log; the host adds the connector, the task and the plugin. fields are names and
// values in turn. Never a key, a value or a credential of a record.
func Log(level Level, message string, fields ...string) {
	if !hostLogEnabled(level) {
		return
	}
	pairs := make([][2]string, 0, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		pairs = append(pairs, [2]string{fields[i], fields[i+1]})
	}
	hostLog(level, message, pairs)
}

// LogDebug, LogInfo, LogWarn and LogError are Log of their level.
func LogDebug(message string, fields ...string) { Log(Debug, message, fields...) }

// LogInfo: something happened that an operator asked for.
func LogInfo(message string, fields ...string) { Log(Information, message, fields...) }

// LogWarn: we recovered.
func LogWarn(message string, fields ...string) { Log(Warning, message, fields...) }

// LogError: act now, or data is at risk.
func LogError(message string, fields ...string) { Log(Failure, message, fields...) }

// Label is a name and a value of a figure; few and bounded, never a key or an offset.
type Label = [2]string

// Count adds to a counter of the plugin's own.
func Count(name string, delta uint64, labels ...Label) { hostCount(name, labels, delta) }

// Gauge sets a figure.
func Gauge(name string, value float64, labels ...Label) { hostGauge(name, labels, value) }

// Observe records into a histogram.
func Observe(name string, value float64, labels ...Label) { hostObserve(name, labels, value) }
