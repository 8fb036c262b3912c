// For tests: asks the host for everything that it offers a transform, and answers with what it heard.
package main

import (
	"encoding/json"
	"time"

	"millrace/plugin"
	"millrace/plugin/transform"
)

var info = plugin.Info{
	Name:    "probe-go",
	Version: "0.1.0",
	Doc:     "For tests: asks the host for everything that it offers a transform.",
	Keys: []plugin.Key{
		{Name: "url", Required: true, Doc: "What is asked for over HTTP."},
		{Name: "token", Type: plugin.Password, Required: true, Doc: "What is sent with it."},
	},
}

func init() { transform.Export(info, func() plugin.Transform { return &probe{} }) }

func main() {}

type probe struct{ url string }

func (p *probe) Configure(ctx plugin.Context) (err error) {
	p.url, err = ctx.Config.Text("url")
	return err
}

func (p *probe) Close() {}

// heard is what a record becomes.
type heard struct {
	Cached  string   `json:"cached"`
	Added   []bool   `json:"added"`
	Deleted []bool   `json:"deleted"`
	Gone    bool     `json:"gone"`
	Random  bool     `json:"random"`
	Clock   bool     `json:"clock"`
	State   string   `json:"state"`
	Status  int      `json:"status"`
	Body    string   `json:"body"`
	Header  string   `json:"header"`
	Refused []string `json:"refused"`
	All     []int    `json:"all"`
}

func (p *probe) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	var out []plugin.Document
	var origin []uint32
	for i := range batch.Len() {
		h, err := p.ask()
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(h)
		if err != nil {
			return nil, err
		}
		value := string(text)
		out, origin = append(out, plugin.Document{Value: &value}), append(origin, uint32(i))
	}
	plugin.Count("probed", uint64(len(out)), plugin.Label{"by", "go"})
	plugin.Gauge("last", 1)
	plugin.Observe("size", float64(len(out)))
	plugin.LogInfo("probed", "records", "all")
	return plugin.Documents(out, origin), nil
}

func (p *probe) ask() (h heard, err error) {
	if err = plugin.CachePut("k", []byte("kept"), time.Minute); err != nil {
		return h, err
	}
	kept, _ := plugin.CacheGet("k")
	h.Cached = string(kept)
	for range 2 {
		added, err := plugin.CacheAdd("n", []byte("1"), 0)
		if err != nil {
			return h, err
		}
		h.Added = append(h.Added, added)
	}
	h.Deleted = []bool{plugin.CacheDelete("n"), plugin.CacheDelete("n"), plugin.CacheDelete("k")}
	_, there := plugin.CacheGet("k")
	h.Gone = !there
	h.Random = len(plugin.RandomBytes(100_000)) == 100_000 && plugin.Random() != plugin.Random()
	before := plugin.Monotonic()
	h.Clock = plugin.Sleep(5*time.Millisecond) && plugin.Monotonic()-before >= 5*time.Millisecond && plugin.Now().Year() > 2020

	for _, key := range []string{"p/b", "p/a", "q"} {
		if err = plugin.StatePut(key, []byte(key+";")); err != nil {
			return h, err
		}
	}
	for e := range plugin.StateEntries("p/") {
		h.State += string(e.Value)
	}
	q, _ := plugin.StateGet("q")
	h.State += string(q)
	if _, there := plugin.StateGet("q"); !plugin.StateDelete("q") || !there {
		h.State += "wrong"
	}

	request := plugin.Request{Method: "POST", URL: p.url, Body: []byte("ping"), Timeout: 10 * time.Second, ResponseBytes: 1000,
		Headers: []plugin.Header{{Name: "authorization", Value: "Bearer ", SecretKey: "token"}}}
	response, err := plugin.Send(request)
	if err != nil {
		return h, err
	}
	h.Status, h.Body, h.Header = response.Status, string(response.Body), response.Header("x-server")
	forbidden := plugin.Request{Method: "GET", URL: "http://192.0.2.1/"}
	answers, err := plugin.SendAll([]plugin.Request{request, forbidden, request}, 2)
	if err != nil {
		return h, err
	}
	for _, a := range answers {
		if e, ok := a.Err.(*plugin.Error); ok {
			h.Refused = append(h.Refused, e.Code)
		} else {
			h.All = append(h.All, a.Status)
		}
	}
	return h, nil
}
