// For tests: masks an e-mail address, leaves records out, makes many records of one, refuses single records, and panics.
package main

import (
	"bytes"
	"fmt"

	"millrace/plugin"
	"millrace/plugin/row"
	"millrace/plugin/transform"
)

var info = plugin.Info{
	Name:    "contacts-go",
	Version: "0.1.0",
	Doc:     "Hides the local part of e-mail addresses, leaves out a domain, and makes a record of each phone number.",
	Keys: []plugin.Key{
		{Name: "field", Required: true, Doc: "The field that holds the address: \"email\", or below a struct \"after.email\"."},
		{Name: "drop.domain", Doc: "Records whose address is of this domain are left out."},
		{Name: "split.field", Doc: "A text field with values parted by commas: a record is made of each."},
		{Name: "panic.domain", Doc: "An address of this domain breaks the plugin."},
	},
}

func init() { transform.Export(info, func() plugin.Transform { return &contacts{} }) }

func main() {}

type contacts struct {
	domain []byte
	broken []byte
	plans  *plugin.PerSchema[plan]
	masked []byte
}

// plan is where the fields are in values of one schema; nil: there is no such field.
type plan struct{ email, split []int }

func (c *contacts) Configure(ctx plugin.Context) error {
	field, err := ctx.Config.Text("field")
	if err != nil {
		return err
	}
	if domain, ok := ctx.Config.Get("drop.domain"); ok {
		c.domain = []byte(domain)
	}
	if broken, ok := ctx.Config.Get("panic.domain"); ok {
		c.broken = []byte(broken)
	}
	split, _ := ctx.Config.Get("split.field")
	c.plans = plugin.NewPerSchema(func(_ uint32, s *plugin.Schema) (p plan, err error) {
		for _, f := range []struct {
			name  string
			slots *[]int
		}{{field, &p.email}, {split, &p.split}} {
			if slots, schema := s.Find(f.name); schema != nil && schema.Kind == plugin.KindText {
				*f.slots = slots
			}
		}
		return p, nil
	})
	return nil
}

// Validate says what the keys do not say by themselves.
func (c *contacts) Validate(config plugin.Config) []plugin.Issue {
	field, _ := config.Get("field")
	if split, ok := config.Get("split.field"); ok && split == field {
		return []plugin.Issue{{Name: "split.field", Message: fmt.Sprintf("\"split.field\" is %q, as \"field\" is; name another field", split)}}
	}
	return nil
}

func (c *contacts) Close() {}

func (c *contacts) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	rows, err := batch.Rows()
	if err != nil {
		return nil, err
	}
	out := row.NewWriter(len(rows.Bytes()) + 1024)
	origin := make([]uint32, 0, rows.Len())
	var failures []plugin.RecordFailure
	var edits [2]row.Edit
	for i, record := range rows.All() {
		topic := out.Topic(rows.TopicOf(record))
		value, ok := record.Value()
		if !ok { // a tombstone stays one
			out.Copy(record, topic)
			origin = append(origin, uint32(i))
			continue
		}
		id, ok := record.ValueSchema()
		if !ok {
			failures = append(failures, plugin.Poison(i, "contacts.no-schema", "the value has no schema; use a converter with schemas"))
			continue
		}
		plan, err := c.plans.Get(id)
		if err != nil {
			return nil, err
		}
		n := 0
		if at, slot, ok := value.At(plan.email); ok {
			address := at.Data(slot)
			sign := bytes.LastIndexByte(address, '@')
			if sign < 1 {
				failures = append(failures, plugin.Poison(i, "contacts.no-address", "the field holds no e-mail address"))
				continue
			}
			if c.broken != nil && bytes.EqualFold(address[sign+1:], c.broken) {
				panic("an address of the domain " + string(c.broken))
			}
			if c.domain != nil && bytes.EqualFold(address[sign+1:], c.domain) {
				continue // not in the output: left out
			}
			c.masked = mask(c.masked[:0], address, sign)
			edits[0], n = row.Edit{Path: plan.email, Value: c.masked}, 1
		}
		if at, slot, ok := value.At(plan.split); ok {
			for part := range bytes.SplitSeq(at.Data(slot), []byte{','}) {
				edits[n] = row.Edit{Path: plan.split, Value: bytes.TrimSpace(part)}
				out.CopyEdited(record, topic, edits[:n+1]...)
				origin = append(origin, uint32(i))
			}
			continue
		}
		out.CopyEdited(record, topic, edits[:n]...)
		origin = append(origin, uint32(i))
	}
	return plugin.Replace(out, origin).Failing(failures...), nil
}

// mask keeps the first character and the domain: a**@example.com.
func mask(to, address []byte, sign int) []byte {
	first := 1
	for first < sign && address[first]&0xc0 == 0x80 { // the rest of a character of UTF-8
		first++
	}
	to = append(to, address[:first]...)
	for i := first; i < sign; i++ {
		if address[i]&0xc0 != 0x80 {
			to = append(to, '*')
		}
	}
	return append(to, address[sign:]...)
}
