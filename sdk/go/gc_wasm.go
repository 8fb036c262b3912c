package plugin

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	witRuntime "go.bytecodealliance.org/pkg/wit/runtime"
)

// A collection that starts while the host is placing an answer in this memory (in cabi_realloc) reads the clock, and an
// import may not be called there: the instance traps. So the collector never starts by itself. The SDK starts it at the
// end of a call, once enough was allocated, and it has ended when the call does.
func init() { debug.SetGCPercent(-1) }

// How much may be allocated between two collections.
var collectBytes = uint64(8 << 20)

var allocated = []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
var collectedAt uint64

// bound keeps what lies between two collections well below what the host allows.
func bound(limit uint64) {
	if limit > 0 {
		collectBytes = min(32<<20, max(1<<20, limit/8))
	}
}

// collect comes when every answer of the host that the call still needs is held by a value of Go.
func collect() {
	// What the host has placed in this memory is pinned until this says otherwise; the bindings say so only in exports
	// that take texts or lists.
	witRuntime.Unpin()
	metrics.Read(allocated)
	if now := allocated[0].Value.Uint64(); now-collectedAt > collectBytes {
		runtime.GC()
		collectedAt = now
	}
}

// Collect frees what is no longer used, if enough was allocated since the last time. The SDK does this after each call;
// a plugin that allocates much inside one may do it in between. Never call it from a goroutine that outlives a call.
func Collect() { collect() }
