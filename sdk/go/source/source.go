// Package source makes a program a source: which of transform, source and sink it is, the import decides.
package source

import "millrace/plugin"

// Export says what the program is: call it once, in an init. fresh makes one value for each task.
func Export(info plugin.Info, fresh func() plugin.Source) { plugin.ExportSource(info, fresh) }
