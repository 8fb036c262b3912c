package plugin

import "time"

// CacheGet is what the tasks of this connector keep under a key; false: nothing, or no longer. A transform's cache is its
// own, by alias. It is lost when the worker or the connector stops, and what is in it may go at any time to make room.
func CacheGet(key string) ([]byte, bool) { return hostCacheGet(key) }

// CachePut keeps a value in place of what was there, for ttl, or for an hour where that is 0. A key of more than 1 KiB or a
// value of more than 1 MiB is refused with the code "cache.too-large".
func CachePut(key string, value []byte, ttl time.Duration) error {
	return hostCachePut(key, value, ttl)
}

// CacheAdd is CachePut where nothing is there; false: something is. Of tasks that add the same key at a time, one hears true.
func CacheAdd(key string, value []byte, ttl time.Duration) (bool, error) {
	return hostCacheAdd(key, value, ttl)
}

// CacheDelete says whether it was there.
func CacheDelete(key string) bool { return hostCacheDelete(key) }
