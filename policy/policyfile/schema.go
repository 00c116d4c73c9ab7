package policyfile

import _ "embed"

//go:embed schema.json
var schema string

// Schema returns the JSON Schema (2020-12) of a policy file, for editors. What
// Load accepts it accepts; what needs more than the file's shape it does not
// know.
func Schema() string { return schema }
