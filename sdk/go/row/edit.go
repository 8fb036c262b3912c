package row

// Edit is new text or bytes for the field that the slots of Path lead to, from the value's row downwards.
type Edit struct {
	Path  []int
	Value []byte
}

// CopyEdited copies a record with some of its values replaced: one copy of its bytes, nothing of it unpacked. This is
// the fast way to change values and keep the schema. An edit whose path ends at a null, or leads through one, changes
// nothing.
func (w *Writer) CopyEdited(r Record, topic uint32, edits ...Edit) {
	w.Copy(r, topic)
	root, ok := w.LastValue()
	if !ok {
		return
	}
	grows := false
	for _, e := range edits {
		if !w.rows.inPlace(root, e) {
			grows = true
			break
		}
	}
	if !grows {
		return
	}
	// Something grows: the value is written anew, with what grows behind it, then the key and the headers.
	w.Undo()
	value, _ := r.Value()
	w.Begin(r.Meta(topic))
	root = w.rows.Copy(value)
	for _, e := range edits {
		if !w.rows.inPlace(root, e) {
			w.rows.grow(root, e.Path, e.Value)
		}
	}
	w.EndValue(root)
	if key, ok := r.Key(); ok {
		w.Key(key)
	}
	w.HeadersFrom(r)
	w.End()
}

// inPlace says whether the edit was made, or there is nothing to be edited.
func (b *Buf) inPlace(m Mark, e Edit) bool {
	if len(e.Path) == 0 {
		return true
	}
	leaf := len(e.Path) - 1
	for _, slot := range e.Path[:leaf] {
		nested, ok := b.Nested(m, slot)
		if !ok {
			return true
		}
		m = nested
	}
	return b.IsNull(m, e.Path[leaf]) || b.Overwrite(m, e.Path[leaf], e.Value)
}

func (b *Buf) grow(m Mark, path []int, v []byte) {
	if len(path) == 1 {
		b.SetData(m, path[0], v)
		return
	}
	if nested, ok := b.Lift(m, path[0]); ok {
		b.grow(nested, path[1:], v)
		b.EndNested(m, path[0], nested)
	}
}
