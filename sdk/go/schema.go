package plugin

import "strings"

// Kind is the kind of a schema's node, Connect's Schema.Type.
type Kind uint8

const (
	KindBoolean Kind = iota
	KindInt8
	KindInt16
	KindInt32
	KindInt64
	KindFloat32
	KindFloat64
	KindText
	KindBytes
	KindList
	KindMap
	KindStruct
	KindAny
)

// Schema is a node of a schema: Connect's Schema. Logical types are names. Do not change one that was interned or got
// from the host.
type Schema struct {
	Kind     Kind
	Optional bool
	// Name and Doc are empty where there is none.
	Name, Doc string
	// Version and Default (a JSON text) are nil where there is none.
	Version *int32
	Default *string
	// Parameters are those of the logical type: scale, ...
	Parameters [][2]string
	// Fields are those of a struct.
	Fields []Field
	// Element is that of a list, or the values of a map; Key the keys of a map.
	Element, Key *Schema
}

// Field is a field of a struct; its position is its slot in a row.
type Field struct {
	Name   string
	Schema *Schema
}

// Index is the position of a struct's field, which is its slot in a row; -1: it has none of this name.
func (s *Schema) Index(field string) int {
	for i := range s.Fields {
		if s.Fields[i].Name == field {
			return i
		}
	}
	return -1
}

// Find is the slots that lead to a field below a struct, by names parted with points ("after.email"), and its schema;
// nil: there is none.
func (s *Schema) Find(path string) ([]int, *Schema) {
	var slots []int
	for _, name := range strings.Split(path, ".") {
		i := s.Index(name)
		if i < 0 {
			return nil, nil
		}
		slots, s = append(slots, i), s.Fields[i].Schema
	}
	return slots, s
}

// isVar says whether a slot points to bytes or a row behind it.
func (s *Schema) isVar() bool { return s.Kind >= KindText }

var (
	schemas   = map[uint32]*Schema{}
	schemaIDs = map[*Schema]uint32{}
)

// SchemaOf is the schema behind an id that a record carries. The host is asked once for each id.
func SchemaOf(id uint32) (*Schema, error) {
	if s, ok := schemas[id]; ok {
		return s, nil
	}
	s, err := hostSchema(id)
	if err != nil {
		return nil, err
	}
	schemas[id], schemaIDs[s] = s, id
	return s, nil
}

// Intern is the id of a schema, by content, for records that the plugin makes. Build a schema once and keep it.
func Intern(s *Schema) (uint32, error) {
	if id, ok := schemaIDs[s]; ok {
		return id, nil
	}
	id, err := hostIntern(s)
	if err != nil {
		return 0, err
	}
	schemaIDs[s] = id
	if _, ok := schemas[id]; !ok {
		schemas[id] = s
	}
	return id, nil
}

// PerSchema keeps what a plugin works out of a schema, such as the slots of its fields: schemas change inside a batch,
// and mostly they do not.
type PerSchema[T any] struct {
	of     func(id uint32, s *Schema) (T, error)
	all    map[uint32]T
	last   T
	lastID uint32
	any    bool
}

// NewPerSchema works things out with of, once for each schema.
func NewPerSchema[T any](of func(id uint32, s *Schema) (T, error)) *PerSchema[T] {
	return &PerSchema[T]{of: of, all: map[uint32]T{}}
}

// Get is what was worked out for a schema.
func (p *PerSchema[T]) Get(id uint32) (T, error) {
	if p.any && p.lastID == id {
		return p.last, nil
	}
	v, ok := p.all[id]
	if !ok {
		s, err := SchemaOf(id)
		if err != nil {
			return v, err
		}
		if v, err = p.of(id, s); err != nil {
			return v, err
		}
		p.all[id] = v
	}
	p.last, p.lastID, p.any = v, id, true
	return v, nil
}
