package plugin

import "millrace/plugin/row"

// Reshape copies structs of one schema as structs of another: fields of the same name and kind are carried over, and
// what the other has besides is null until it is set. This is how a transform adds, drops and reorders fields.
type Reshape struct {
	// ID and Schema are what the rows then have.
	ID     uint32
	Schema *Schema
	fields []carried
}

type carried struct {
	from, to int
	isVar    bool
}

// NewReshape carries a struct over to a schema, which it interns.
func NewReshape(from, to *Schema) (*Reshape, error) {
	if from.Kind != KindStruct || to.Kind != KindStruct {
		return nil, Fatal("schema.no-struct", "only a struct has fields to be carried over")
	}
	id, err := Intern(to)
	if err != nil {
		return nil, err
	}
	r := &Reshape{ID: id, Schema: to}
	for i := range to.Fields {
		j := from.Index(to.Fields[i].Name)
		if j >= 0 && from.Fields[j].Schema.Kind == to.Fields[i].Schema.Kind {
			r.fields = append(r.fields, carried{j, i, to.Fields[i].Schema.isVar()})
		}
	}
	return r, nil
}

// With is a schema without the fields named drop and with those of add at its end.
func (s *Schema) With(drop []string, add ...Field) *Schema {
	changed := *s
	changed.Fields = nil
	for _, f := range s.Fields {
		dropped := false
		for _, name := range drop {
			dropped = dropped || name == f.Name
		}
		if !dropped {
			changed.Fields = append(changed.Fields, f)
		}
	}
	changed.Fields = append(changed.Fields, add...)
	return &changed
}

// Row writes a row of the new schema; set the slots of the fields that were added, then use it.
func (r *Reshape) Row(buf *row.Buf, v row.Row) row.Mark {
	m := buf.Begin(len(r.Schema.Fields))
	for _, f := range r.fields {
		switch {
		case v.IsNull(f.from):
		case f.isVar:
			buf.SetData(m, f.to, v.Data(f.from))
		default:
			buf.SetSlot(m, f.to, v.Slot(f.from))
		}
	}
	return m
}

// Copy copies a record with its value reshaped; set fills the fields that were added, nil where there are none. A
// tombstone stays one.
func (r *Reshape) Copy(w *row.Writer, rec row.Record, topic uint32, set func(buf *row.Buf, m row.Mark)) {
	v, ok := rec.Value()
	if !ok {
		w.Copy(rec, topic)
		return
	}
	meta := rec.Meta(topic)
	meta.ValueSchema = r.ID
	w.Begin(meta)
	m := r.Row(w.Rows(), v)
	if set != nil {
		set(w.Rows(), m)
	}
	w.EndValue(m)
	if key, ok := rec.Key(); ok {
		w.Key(key)
	}
	w.HeadersFrom(rec)
	w.End()
}
