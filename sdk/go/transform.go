package plugin

// Transform maps records to records. One value is one place in a chain.
type Transform interface {
	// Configure comes before any Apply; ctx.Config has the transform's own keys, without their prefix.
	Configure(ctx Context) error
	// Apply answers for the whole batch, or with an error, and then nothing happened. The batch is lent for the call.
	Apply(batch *Batch) (*Outcome, error)
	// Close is the last call.
	Close()
}

// Validator is for transforms with rules beyond what their keys say. Every wrong setting at once; no server is reached.
type Validator interface {
	Validate(config Config) []Issue
}
