//go:build !wasm

package plugin

type hostPostgres struct{}

func hostOpenPostgres(string) (hostPostgres, error)                  { return hostPostgres{}, outside("postgres") }
func (hostPostgres) drop()                                           {}
func (hostPostgres) query(string) (*Rowset, error)                   { return nil, outside("postgres") }
func (hostPostgres) execute(string, []postgresParam) (uint64, error) { return 0, outside("postgres") }
func (hostPostgres) submit([]Statement) error                        { return outside("postgres") }
func (hostPostgres) outcome() ([]uint64, error)                      { return nil, outside("postgres") }
func (hostPostgres) copyIn(string, []byte) (uint64, error)           { return 0, outside("postgres") }
func (hostPostgres) copyOut(_ string, _ uint32, yield func([]byte, error) bool) {
	yield(nil, outside("postgres"))
}
