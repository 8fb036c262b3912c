// Package plain makes a program a transform over records as simple values.
package plain

import "millrace/plugin"

// Export says what the program is: call it once, in an init. fresh makes one value for each task.
func Export(info plugin.Info, fresh func() plugin.PlainTransform) { plugin.ExportPlain(info, fresh) }
