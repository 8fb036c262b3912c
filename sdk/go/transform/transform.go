// Package transform makes a program a transform: which of transform, source and sink it is, the import decides.
package transform

import "millrace/plugin"

// Export says what the program is: call it once, in an init. fresh makes one value for each task.
func Export(info plugin.Info, fresh func() plugin.Transform) { plugin.ExportTransform(info, fresh) }
