package plugin

import "iter"

// StateGet is what this task keeps under a key from one run to the next, across restarts and crashes of the worker; false:
// nothing. Each task has its own state, and each of its transforms, by alias; it goes when the connector is deleted.
//
// What a call puts is seen at once, and stored just before the offsets of that call's records are; of a call that fails
// nothing is kept. After a crash records may come again whose changes are there already: who must count them once puts the
// offset of the last record counted into the same value as the count.
func StateGet(key string) ([]byte, bool) { return hostStateGet(key) }

// StatePut keeps a value in place of what was there. A key has at most 1 KiB, a value 512 KiB ("state.too-large"), all of it
// what plugin.state.max.entries and plugin.state.max.bytes say ("state.full").
func StatePut(key string, value []byte) error { return hostStatePut(key, value) }

// StateDelete says whether it was there.
func StateDelete(key string) bool { return hostStateDelete(key) }

// StateEntry is a key and its value.
type StateEntry struct {
	Key   string
	Value []byte
}

// StateEntries are those whose keys begin with prefix, in the order of the keys' bytes, asked for a page at a time.
func StateEntries(prefix string) iter.Seq[StateEntry] {
	return func(yield func(StateEntry) bool) {
		var after *string
		for {
			entries, more := hostStateScan(prefix, after, statePage)
			for _, e := range entries {
				if !yield(e) {
					return
				}
			}
			if !more || len(entries) == 0 {
				return
			}
			after = &entries[len(entries)-1].Key
		}
	}
}

// The entries that are asked for at a time.
const statePage = 1000
