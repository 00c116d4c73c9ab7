package envoy

import _ "embed" // for the sample policies

//go:embed policies/demo.yaml
var demoPolicy []byte

// DemoPolicy returns the policy file that the demo serves.
func DemoPolicy() []byte { return append([]byte(nil), demoPolicy...) }
