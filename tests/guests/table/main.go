// For tests: a sink that writes each record's value into a table of PostgreSQL, once, with its place in the log.
package main

import (
	"millrace/plugin"
	"millrace/plugin/sink"
)

var info = plugin.Info{
	Name:    "table-go",
	Version: "0.1.0",
	Doc:     "For tests: writes records into a table of PostgreSQL.",
	Keys: []plugin.Key{
		{Name: "url", Required: true, Doc: "Where the database is."},
		{Name: "table", Required: true, Doc: "The table; it is made when it is missing."},
	},
	Bindings: []plugin.Binding{{Name: "db", Capability: "postgres", Parts: [][2]string{{"url", "url"}}}},
}

func init() { sink.Export(info, func() plugin.Sink { return &table{} }) }

func main() {}

type table struct {
	db     *plugin.Postgres
	insert string
}

func (t *table) Start(ctx plugin.Context) error {
	name, err := ctx.Config.Text("table")
	if err != nil {
		return err
	}
	if t.db, err = plugin.OpenPostgres("db"); err != nil {
		return err
	}
	name = plugin.QuoteIdentifier(name)
	_, err = t.db.Query("create table if not exists " + name +
		" (topic text, part int, pos bigint, value jsonb, primary key (topic, part, pos))")
	t.insert = "insert into " + name + " values ($1, $2, $3, $4) on conflict do nothing"
	return err
}

// Put writes a batch as one transaction, so that an error means that none was taken.
func (t *table) Put(batch *plugin.Batch) ([]plugin.RecordFailure, error) {
	rows, err := batch.Rows()
	if err != nil {
		return nil, err
	}
	values, err := batch.Documents("value")
	if err != nil {
		return nil, err
	}
	statements := make([]plugin.Statement, 0, rows.Len())
	for i, record := range rows.All() {
		partition, _ := record.Partition()
		offset, _ := record.Offset()
		params := []any{rows.TopicOf(record), partition, offset, values[i]}
		statements = append(statements, plugin.Statement{SQL: t.insert, Params: params})
	}
	_, err = t.db.Transact(statements...)
	return nil, err
}

// Flush: every put was committed when it was answered.
func (t *table) Flush(upto []plugin.TopicOffset) (plugin.Flushed, error) {
	return plugin.FlushedAll(upto), nil
}

func (t *table) Stop() { t.db.Close() }
