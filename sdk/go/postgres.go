package plugin

import (
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"time"
)

// Postgres is a connection to the database that a binding of the capability "postgres" names; sockets, TLS, passwords and
// time-outs are the host's. It needs the grant "postgres", and is there inside the host only. A server's error has the code
// "postgres.<SQLSTATE>"; a connection that cannot be made or was lost has "postgres.connection" and is retriable.
//
// Parameters are nil, texts, []byte (a bytea), numbers, booleans, times, or [PostgresBinary]; but for the last they are sent
// as text, of the type that the statement infers.
type Postgres struct{ host hostPostgres }

// PostgresBinary is a parameter in PostgreSQL's binary form, of the type with this OID.
type PostgresBinary struct {
	OID  uint32
	Data []byte
}

// OpenPostgres opens the database of a binding.
func OpenPostgres(binding string) (*Postgres, error) {
	p, err := hostOpenPostgres(binding)
	if err != nil {
		return nil, err
	}
	return &Postgres{p}, nil
}

// Rowset is a result in text form; nil is null. For catalogs and control, not for data.
type Rowset struct {
	Columns []string
	Rows    [][]*string
}

// First is the first row's value in a column; empty: null, no row, or no such column.
func (r *Rowset) First(column string) string {
	for i, name := range r.Columns {
		if name == column && len(r.Rows) > 0 && r.Rows[0][i] != nil {
			return *r.Rows[0][i]
		}
	}
	return ""
}

// Query runs one or more statements; the rows are those of the last one that has any.
func (p *Postgres) Query(sql string) (*Rowset, error) { return p.host.query(sql) }

// Execute runs one statement, prepared once for each connection; how many rows it touched.
func (p *Postgres) Execute(sql string, params ...any) (uint64, error) {
	return p.host.execute(sql, postgresParams(params))
}

// Statement is one of a transaction.
type Statement struct {
	SQL    string
	Params []any
}

// Transact runs statements in one transaction; how many rows each touched. Of an error none had an effect, unless it is
// "postgres.connection", when that is not known.
func (p *Postgres) Transact(statements ...Statement) ([]uint64, error) {
	if err := p.Submit(statements...); err != nil {
		return nil, err
	}
	return p.Outcome()
}

// Submit sends the statements of a transaction without waiting, so that the server works while the plugin does.
func (p *Postgres) Submit(statements ...Statement) error { return p.host.submit(statements) }

// Outcome waits for what was submitted.
func (p *Postgres) Outcome() ([]uint64, error) { return p.host.outcome() }

// CopyIn is COPY ... FROM STDIN with all of data, in the format that the statement names; how many rows it took.
func (p *Postgres) CopyIn(sql string, data []byte) (uint64, error) { return p.host.copyIn(sql, data) }

// CopyOut is COPY ... TO STDOUT: its rows, with an error as the last. The connection answers nothing else meanwhile.
func (p *Postgres) CopyOut(sql string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) { p.host.copyOut(sql, copyBytes, yield) }
}

// How much of a copy is asked for at a time.
const copyBytes = 1 << 20

// Close gives the connection back.
func (p *Postgres) Close() { p.host.drop() }

// SQLState is that of an error of a PostgreSQL server; empty: it is none.
func SQLState(err error) string {
	state, ok := strings.CutPrefix(asError(err).Code, "postgres.")
	if !ok || len(state) != 5 {
		return ""
	}
	return state
}

// QuoteIdentifier is a name as SQL text: "we""ird".
func QuoteIdentifier(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// QuoteLiteral is a text as SQL text, whatever standard_conforming_strings says.
func QuoteLiteral(value string) string {
	quoted := strings.ReplaceAll(value, "'", "''")
	if strings.Contains(quoted, `\`) {
		return " E'" + strings.ReplaceAll(quoted, `\`, `\\`) + "'"
	}
	return "'" + quoted + "'"
}

// postgresParam is a parameter as the host takes it.
type postgresParam struct {
	null   bool
	text   string
	binary *PostgresBinary
}

func postgresParams(values []any) []postgresParam {
	params := make([]postgresParam, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case nil:
			params[i].null = true
		case string:
			params[i].text = v
		case *string:
			if params[i].null = v == nil; v != nil {
				params[i].text = *v
			}
		case []byte:
			params[i].text = `\x` + hex.EncodeToString(v)
		case time.Time:
			params[i].text = v.Format(time.RFC3339Nano)
		case PostgresBinary:
			params[i].binary = &v
		default:
			params[i].text = fmt.Sprint(v)
		}
	}
	return params
}
