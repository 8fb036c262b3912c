// Package sink makes a program a sink: which of transform, source and sink it is, the import decides.
package sink

import "millrace/plugin"

// Export says what the program is: call it once, in an init. fresh makes one value for each task.
func Export(info plugin.Info, fresh func() plugin.Sink) { plugin.ExportSink(info, fresh) }
