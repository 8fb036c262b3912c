// Hides an e-mail address, and leaves its hash beside it.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"unicode/utf8"

	"millrace/plugin"
	"millrace/plugin/transform"
)

var info = plugin.Info{
	Name:    "mask-hash-go",
	Version: "0.1.0",
	Doc:     "Hides an e-mail address, and leaves its hash beside it.",
	Keys: []plugin.Key{
		{Name: "field", Required: true, Doc: "The field that holds the address."},
		{Name: "salt", Default: "", Doc: "What the hash begins with."},
	},
}

func init() { transform.Export(info, func() plugin.Transform { return &MaskHash{} }) }

func main() {}

// MaskHash asks for one column and answers with two; the rest of the records never leaves the host.
type MaskHash struct {
	path string
	// The salt, and then the address that is hashed.
	salted []byte
	salt   int
}

func (m *MaskHash) Configure(ctx plugin.Context) error {
	field, err := ctx.Config.Text("field")
	if err != nil {
		return err
	}
	salt, _ := ctx.Config.Get("salt")
	m.path, m.salted, m.salt = "value."+field, []byte(salt), len(salt)
	return nil
}

func (m *MaskHash) Apply(batch *plugin.Batch) (*plugin.Outcome, error) {
	column, err := batch.Column(m.path, plugin.PackedText)
	if of := (*plugin.Error)(nil); errors.As(err, &of) && of.Code == "records.no-such-column" {
		return plugin.Unchanged(), nil
	}
	if err != nil {
		return nil, err
	}
	if column.Packed == nil {
		return nil, plugin.Fatal("mask-hash.no-text", "%s holds no text", m.path)
	}
	n := len(column.Packed.Offsets) - 1
	masked := &plugin.Packed{Offsets: make([]uint32, 1, n+1), Data: make([]byte, 0, len(column.Packed.Data)+3*n)}
	// A packed column keeps the type of the field that it replaces; as a new field it would be bytes, and the hash is a text.
	digits, ends := make([]byte, 0, 2*sha256.Size*n), make([]int, n)
	var failures []plugin.RecordFailure
	for row := range n {
		if !column.IsNull(row) {
			address := column.Packed.At(row)
			var ok bool
			if masked.Data, ok = mask(masked.Data, address); ok {
				digits = m.hash(digits, address)
			} else {
				failures = append(failures, plugin.Poison(row, "mask-hash.no-address", "there is no address"))
			}
		}
		masked.Offsets = append(masked.Offsets, uint32(len(masked.Data)))
		ends[row] = len(digits)
	}
	hashes, all, from := make([]string, n), string(digits), 0
	for row, end := range ends {
		hashes[row], from = all[from:end], end
	}
	return plugin.Patched(plugin.Patch{Set: []plugin.Column{
		{Path: m.path, Nulls: column.Nulls, Packed: masked},
		{Path: m.path + "_hash", Nulls: column.Nulls, Texts: hashes},
	}}).Failing(failures...), nil
}

func (m *MaskHash) Close() {}

// mask says whether it is an address.
func mask(out, address []byte) ([]byte, bool) {
	at := bytes.IndexByte(address, '@')
	if at < 1 {
		return out, false
	}
	_, first := utf8.DecodeRune(address)
	out = append(out, address[:first]...)
	out = append(out, "***"...)
	return append(out, address[at:]...), true
}

func (m *MaskHash) hash(out, address []byte) []byte {
	m.salted = append(m.salted[:m.salt], address...)
	sum := sha256.Sum256(m.salted)
	return hex.AppendEncode(out, sum[:])
}
