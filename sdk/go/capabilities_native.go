//go:build !wasm

package plugin

import (
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"time"
)

// The cache of a test's process; nothing in it grows old.
var cache = map[string][]byte{}

func hostCacheGet(key string) ([]byte, bool) {
	v, ok := cache[key]
	return v, ok
}

func hostCachePut(key string, value []byte, _ time.Duration) error {
	cache[key] = append([]byte(nil), value...)
	return nil
}

func hostCacheAdd(key string, value []byte, ttl time.Duration) (bool, error) {
	if _, ok := cache[key]; ok {
		return false, nil
	}
	return true, hostCachePut(key, value, ttl)
}

func hostCacheDelete(key string) bool {
	_, ok := cache[key]
	delete(cache, key)
	return ok
}

// The state of a test's process.
var state = map[string][]byte{}

func hostStateGet(key string) ([]byte, bool) {
	v, ok := state[key]
	return v, ok
}

func hostStatePut(key string, value []byte) error {
	state[key] = append([]byte(nil), value...)
	return nil
}

func hostStateDelete(key string) bool {
	_, ok := state[key]
	delete(state, key)
	return ok
}

func hostStateScan(prefix string, after *string, limit int) (entries []StateEntry, more bool) {
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if !strings.HasPrefix(key, prefix) || after != nil && key <= *after {
			continue
		}
		if len(entries) == limit {
			return entries, true
		}
		entries = append(entries, StateEntry{key, state[key]})
	}
	return entries, false
}

var started = time.Now()

func hostNow() time.Time           { return time.Now() }
func hostMonotonic() time.Duration { return time.Since(started) }
func hostSleep(d time.Duration) bool {
	time.Sleep(d)
	return true
}

func hostRandom(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

func hostRandomNumber() uint64 { return binary.LittleEndian.Uint64(hostRandom(8)) }

func outside(capability string) error {
	return Fatal(capability+".unavailable", "there is no host here: %s works inside the host only", capability)
}

type hostReader struct{}

func hostOpen(string) (hostReader, error)           { return hostReader{}, outside("files") }
func (hostReader) read(uint64, int) ([]byte, error) { return nil, outside("files") }
func (hostReader) len() (uint64, error)             { return 0, outside("files") }
func (hostReader) drop()                            {}

type hostAppender struct{}

func hostAppend(string) (hostAppender, error) { return hostAppender{}, outside("files") }
func (hostAppender) append([]byte) error      { return outside("files") }
func (hostAppender) sync() error              { return outside("files") }
func (hostAppender) drop()                    {}

func hostSend(*Request) (*Response, error)         { return nil, outside("http") }
func hostSendAll([]Request, int) ([]Answer, error) { return nil, outside("http") }
