module table

go 1.25

require millrace/plugin v0.0.0

require go.bytecodealliance.org/pkg v0.2.3 // indirect

// Where the SDK is.
replace millrace/plugin => ../../../sdk/go
