package plugin

import (
	"fmt"
	"runtime"
	"strings"
)

// ends is deferred by every call that runs an author's code: it tells the host what a panic is of, and where, and lets it go
// on to end the instance.
func ends() {
	if r := recover(); r != nil {
		LogError(fmt.Sprintf("the plugin panicked: %v%s", r, where()))
		panic(r)
	}
	collect()
}

// where is the line of the author's that panicked: " at main.go:12".
func where() string {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		frame, more := frames.Next()
		if frame.Function != "" && !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf(" at %s:%d", frame.File, frame.Line)
		}
		if !more {
			return ""
		}
	}
}
