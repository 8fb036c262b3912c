// Adds what a service knows.
package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"millrace/plugin"
	"millrace/plugin/transform"
)

const (
	keptMax = 10_000
	// What one call to the host takes, and how many of them it sends at a time.
	askedMax   = 1_000
	concurrent = 16
)

var info = plugin.Info{
	Name:    "enrich-go",
	Version: "0.1.0",
	Doc:     "Adds the country that a service knows.",
	Keys: []plugin.Key{
		{Name: "url", Required: true, Doc: "What the value is appended to."},
		{Name: "field", Required: true, Doc: "The field to look up."},
	},
}

func init() { transform.Export(info, func() plugin.Transform { return &Enrich{} }) }

func main() {}

// Enrich asks for each value once.
type Enrich struct {
	url, path string
	// Nil: the service does not know it.
	known map[string]*string
}

func (e *Enrich) Configure(ctx plugin.Context) (err error) {
	if e.url, err = ctx.Config.Text("url"); err != nil {
		return err
	}
	field, err := ctx.Config.Text("field")
	e.path, e.known = "value."+field, map[string]*string{}
	return err
}

func (e *Enrich) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	column, err := batch.Column(e.path, plugin.Texts)
	if err != nil {
		return nil, err
	}
	ids, err := texts(column)
	if err != nil {
		return nil, err
	}
	if len(e.known) > keptMax {
		clear(e.known)
	}
	if err := e.lookUp(column, ids); err != nil {
		return nil, err
	}
	countries := plugin.Column{Path: "value.country", Texts: make([]string, len(ids))}
	var failures []plugin.RecordFailure
	for row, id := range ids {
		switch country := e.known[id]; {
		case column.IsNull(row):
			countries.SetNull(row)
		case country == nil:
			failures = append(failures, plugin.Poison(row, "enrich.unknown", "the service does not know it"))
			countries.SetNull(row)
		default:
			countries.Texts[row] = *country
		}
	}
	return plugin.Patched(plugin.Patch{Set: []plugin.Column{countries}}).Failing(failures...), nil
}

func (e *Enrich) Close() {}

// texts is a column of texts or whole numbers as texts.
func texts(column *plugin.Column) ([]string, error) {
	switch {
	case column.Texts != nil:
		return column.Texts, nil
	case column.Int64s != nil:
		ids := make([]string, len(column.Int64s))
		for row, number := range column.Int64s {
			ids[row] = strconv.FormatInt(number, 10)
		}
		return ids, nil
	}
	return nil, plugin.Fatal("enrich.no-text", "the field is neither text nor whole number")
}

func (e *Enrich) lookUp(column *plugin.Column, ids []string) error {
	unmet := map[string]bool{}
	for row, id := range ids {
		if _, met := e.known[id]; !met && !column.IsNull(row) {
			unmet[id] = true
		}
	}
	for asked := range slices.Chunk(slices.Sorted(maps.Keys(unmet)), askedMax) {
		requests := make([]plugin.Request, len(asked))
		for i, id := range asked {
			requests[i] = plugin.Request{Method: "GET", URL: e.url + id}
		}
		answers, err := plugin.SendAll(requests, concurrent)
		if err != nil {
			return err
		}
		for i, answer := range answers {
			if answer.Err != nil {
				return answer.Err
			}
			if e.known[asked[i]], err = country(answer.Response); err != nil {
				return err
			}
		}
	}
	return nil
}

// country is what the service answered; nil: it does not know.
func country(response *plugin.Response) (*string, error) {
	switch response.Status {
	case 200:
	case 404:
		return nil, nil
	default:
		return nil, plugin.Retriable("enrich.unavailable", "the service answered %d", response.Status)
	}
	var body struct{ Country *string }
	if err := json.Unmarshal(response.Body, &body); err != nil {
		return nil, plugin.Retriable("enrich.unavailable", "the service answered no JSON: %v", err)
	}
	if body.Country == nil {
		return nil, plugin.Retriable("enrich.unavailable", "an answer without a country")
	}
	return body.Country, nil
}
