package plugin

import "time"

// Now is the host's clock.
func Now() time.Time { return hostNow() }

// Monotonic is the time since some moment, which no change of the clock moves.
func Monotonic() time.Duration { return hostMonotonic() }

// Sleep suspends this task, which costs no computing time; false: it returned early, because the host has a call waiting.
func Sleep(d time.Duration) bool { return hostSleep(d) }

// RandomBytes are n bytes from the operating system, good enough for keys and tokens.
func RandomBytes(n int) []byte {
	all := make([]byte, 0, n)
	for len(all) < n {
		all = append(all, hostRandom(min(n-len(all), randomBytesMax))...)
	}
	return all
}

// What the host gives at a time.
const randomBytesMax = 1 << 16

// Random is a number out of all there are.
func Random() uint64 { return hostRandomNumber() }
