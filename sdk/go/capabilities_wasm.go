package plugin

import (
	"math"
	"time"

	"millrace/plugin/internal/wit/millrace_plugin_cache"
	"millrace/plugin/internal/wit/millrace_plugin_clock"
	"millrace/plugin/internal/wit/millrace_plugin_files"
	"millrace/plugin/internal/wit/millrace_plugin_http"
	"millrace/plugin/internal/wit/millrace_plugin_random"
	"millrace/plugin/internal/wit/millrace_plugin_state"
	wit "millrace/plugin/internal/wit/millrace_plugin_types"

	witTypes "go.bytecodealliance.org/pkg/wit/types"
)

// millis is a duration in the contract's milliseconds, at least one of them.
func millis(d time.Duration) uint32 {
	return uint32(min(max(int64((d+time.Millisecond-1)/time.Millisecond), 1), math.MaxUint32))
}

// lifetime is an option of a duration of which 0 is none.
func lifetime(d time.Duration) witTypes.Option[uint32] {
	if d <= 0 {
		return witTypes.None[uint32]()
	}
	return witTypes.Some(millis(d))
}

func value[T any](r witTypes.Result[T, wit.Error]) (v T, err error) {
	if r.IsErr() {
		return v, errorOf(r.Err())
	}
	return r.Ok(), nil
}

func hostCacheGet(key string) ([]byte, bool) {
	v := millrace_plugin_cache.Get(key)
	if v.IsNone() {
		return nil, false
	}
	return v.Some(), true
}

func hostCachePut(key string, v []byte, ttl time.Duration) error {
	_, err := value(millrace_plugin_cache.Put(key, v, lifetime(ttl)))
	return err
}

func hostCacheAdd(key string, v []byte, ttl time.Duration) (bool, error) {
	return value(millrace_plugin_cache.Add(key, v, lifetime(ttl)))
}

func hostCacheDelete(key string) bool { return millrace_plugin_cache.Delete(key) }

func hostNow() time.Time { return time.UnixMicro(int64(millrace_plugin_clock.NowUs())) }
func hostStateGet(key string) ([]byte, bool) {
	v := millrace_plugin_state.Get(key)
	if v.IsNone() {
		return nil, false
	}
	return v.Some(), true
}

func hostStatePut(key string, v []byte) error {
	_, err := value(millrace_plugin_state.Put(key, v))
	return err
}

func hostStateDelete(key string) bool { return millrace_plugin_state.Delete(key) }

func hostStateScan(prefix string, after *string, limit int) ([]StateEntry, bool) {
	page := millrace_plugin_state.Scan(prefix, option(after), uint32(limit))
	entries := make([]StateEntry, len(page.Entries))
	for i, e := range page.Entries {
		entries[i] = StateEntry(e)
	}
	return entries, page.More
}

func hostMonotonic() time.Duration { return time.Duration(millrace_plugin_clock.MonotonicNs()) }
func hostSleep(d time.Duration) bool {
	return millrace_plugin_clock.Sleep(millis(d))
}
func hostRandom(n int) []byte  { return millrace_plugin_random.GetBytes(uint32(n)) }
func hostRandomNumber() uint64 { return millrace_plugin_random.GetU64() }

type hostReader struct {
	reader *millrace_plugin_files.Reader
}

func hostOpen(binding string) (hostReader, error) {
	r, err := value(millrace_plugin_files.ReaderOpen(binding))
	return hostReader{r}, err
}

func (r hostReader) read(position uint64, most int) ([]byte, error) {
	return value(r.reader.Read(position, uint32(most)))
}

func (r hostReader) len() (uint64, error) { return value(r.reader.Len()) }
func (r hostReader) drop()                { r.reader.Drop() }

type hostAppender struct {
	appender *millrace_plugin_files.Appender
}

func hostAppend(binding string) (hostAppender, error) {
	a, err := value(millrace_plugin_files.AppenderOpen(binding))
	return hostAppender{a}, err
}

func (a hostAppender) append(data []byte) error {
	_, err := value(a.appender.Append(data))
	return err
}

func (a hostAppender) sync() error {
	_, err := value(a.appender.Sync())
	return err
}

func (a hostAppender) drop() { a.appender.Drop() }

func (r *Request) wire() millrace_plugin_http.Request {
	w := millrace_plugin_http.Request{
		Method: r.Method, Url: r.URL, Body: r.Body, TimeoutMs: lifetime(r.Timeout), Options: pairs(r.options())}
	for _, h := range r.Headers {
		v := millrace_plugin_http.MakeHeaderValueText(h.Value)
		switch {
		case h.SecretKey != "":
			v = millrace_plugin_http.MakeHeaderValueSecret(millrace_plugin_http.Secret{Prefix: h.Value, Key: h.SecretKey})
		case h.BasicKey != "":
			v = millrace_plugin_http.MakeHeaderValueBasic(
				millrace_plugin_http.Credentials{User: h.Value, PasswordKey: h.BasicKey})
		}
		w.Headers = append(w.Headers, witTypes.Tuple2[string, millrace_plugin_http.HeaderValue]{F0: h.Name, F1: v})
	}
	return w
}

func responseOf(w millrace_plugin_http.Response) *Response {
	return &Response{Status: int(w.Status), Headers: strings2(w.Headers), Body: w.Body, URL: w.Url}
}

func hostSend(r *Request) (*Response, error) {
	w, err := value(millrace_plugin_http.Send(r.wire()))
	if err != nil {
		return nil, err
	}
	return responseOf(w), nil
}

func hostSendAll(requests []Request, concurrency int) ([]Answer, error) {
	all := make([]millrace_plugin_http.Request, len(requests))
	for i := range requests {
		all[i] = requests[i].wire()
	}
	answers, err := value(millrace_plugin_http.SendAll(all, uint32(max(concurrency, 0))))
	if err != nil {
		return nil, err
	}
	out := make([]Answer, len(answers))
	for i, a := range answers {
		if a.IsErr() {
			out[i].Err = errorOf(a.Err())
		} else {
			out[i].Response = responseOf(a.Ok())
		}
	}
	return out, nil
}
