package plugin

import (
	"encoding/binary"

	"millrace/plugin/internal/wit/millrace_plugin_postgres"
)

type hostPostgres struct {
	connection *millrace_plugin_postgres.Connection
}

func hostOpenPostgres(binding string) (hostPostgres, error) {
	c, err := value(millrace_plugin_postgres.ConnectionOpen(binding))
	return hostPostgres{c}, err
}

func (p hostPostgres) drop() { p.connection.Drop() }

func wireParams(from []postgresParam) []millrace_plugin_postgres.Param {
	to := make([]millrace_plugin_postgres.Param, len(from))
	for i, v := range from {
		switch {
		case v.null:
			to[i] = millrace_plugin_postgres.MakeParamNull()
		case v.binary != nil:
			to[i] = millrace_plugin_postgres.MakeParamBinary(millrace_plugin_postgres.Binary{Oid: v.binary.OID, Data: v.binary.Data})
		default:
			to[i] = millrace_plugin_postgres.MakeParamText(v.text)
		}
	}
	return to
}

func (p hostPostgres) query(sql string) (*Rowset, error) {
	w, err := value(p.connection.Query(sql))
	if err != nil {
		return nil, err
	}
	r := &Rowset{}
	for _, c := range w.Columns {
		r.Columns = append(r.Columns, c.Name)
	}
	for _, from := range w.Rows {
		row := make([]*string, len(from))
		for i := range from {
			row[i] = pointer(from[i])
		}
		r.Rows = append(r.Rows, row)
	}
	return r, nil
}

func (p hostPostgres) execute(sql string, params []postgresParam) (uint64, error) {
	return value(p.connection.Execute(sql, wireParams(params)))
}

func (p hostPostgres) submit(statements []Statement) error {
	all := make([]millrace_plugin_postgres.Statement, len(statements))
	for i, s := range statements {
		all[i] = millrace_plugin_postgres.Statement{Sql: s.SQL, Params: wireParams(postgresParams(s.Params))}
	}
	_, err := value(p.connection.Submit(all))
	return err
}

func (p hostPostgres) outcome() ([]uint64, error) { return value(p.connection.Outcome()) }

func (p hostPostgres) copyIn(sql string, data []byte) (uint64, error) {
	return value(p.connection.CopyIn(sql, data))
}

func (p hostPostgres) copyOut(sql string, most uint32, yield func([]byte, error) bool) {
	reader, err := value(p.connection.CopyOut(sql))
	if err != nil {
		yield(nil, err)
		return
	}
	defer reader.Drop()
	for {
		some, err := value(reader.Next(most))
		if err != nil {
			yield(nil, err)
			return
		}
		if some.IsNone() {
			return
		}
		// Each row is behind its length.
		for rest := some.Some(); len(rest) >= 4; {
			n := binary.LittleEndian.Uint32(rest)
			if uint64(n) > uint64(len(rest)-4) {
				break
			}
			if !yield(rest[4:4+n], nil) {
				return
			}
			rest = rest[4+n:]
		}
	}
}
