package plugin

import (
	"strconv"
	"time"
)

// Request is an HTTP request to one of the hosts that the configuration lists in "plugin.http.hosts", for a transform in
// "transforms.<alias>.http.hosts". It needs the grant "http". Names, sockets and TLS are the host's; requests are sent
// inside the host only.
type Request struct {
	Method, URL string
	// Headers that belong to the connection (host, content-length, ...) are refused.
	Headers []Header
	Body    []byte
	// Timeout is for all of it, redirects and the answer's body too; 0: 30 seconds.
	Timeout time.Duration
	// Redirects are followed so often, up to 5, which is what nil is.
	Redirects *int
	// ResponseBytes is the most of the answer's body, up to 64 MiB; 0: 8 MiB.
	ResponseBytes uint64
}

// Header is a header of a request: a text, or a secret that the plugin never sees.
type Header struct {
	Name, Value string
	// SecretKey: Value is what stands before the value of this configuration key of type Password.
	SecretKey string
	// BasicKey: Value is the user of basic authentication, and this configuration key of type Password has the password.
	BasicKey string
}

// options are those of the request that are an open set.
func (r *Request) options() (o [][2]string) {
	if r.Redirects != nil {
		o = append(o, [2]string{"redirects", strconv.Itoa(*r.Redirects)})
	}
	if r.ResponseBytes > 0 {
		o = append(o, [2]string{"response-bytes", strconv.FormatUint(r.ResponseBytes, 10)})
	}
	return o
}

// Response is the answer: a status of 400 and above is one, not an error.
type Response struct {
	Status int
	// Headers are in the order in which they came, with names in lower case.
	Headers [][2]string
	Body    []byte
	// URL is where it came from, after redirects.
	URL string
}

// Header is the first value of a header, whose name is in lower case; empty: it has none.
func (r *Response) Header(name string) string {
	for _, h := range r.Headers {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

// Send sends a request and waits for the whole answer.
func Send(r Request) (*Response, error) { return hostSend(&r) }

// Answer is what came of one request of many.
type Answer struct {
	*Response
	Err error
}

// SendAll sends up to 1000 requests, concurrency of them (1 to 32) at a time; the answers are in their order.
func SendAll(requests []Request, concurrency int) ([]Answer, error) {
	return hostSendAll(requests, concurrency)
}
