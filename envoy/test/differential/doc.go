// Package differential holds Envoy with compiled policies to policy.Decide: it sends
// made-up requests through made-up policies, and compares status, headers, whether
// the upstream saw the request, policy and reason. It has tests only.
//
// The generator aims at the borders of every rule of package notrip. What it makes up
// follows from a seed. In short, and with CORSGATE_TEST=full somewhat longer, the
// seeds are fixed. At length:
//
//	go test ./envoy/test/differential -v -timeout 2h -args -exchanges 200000
//
// A failure tells its seed and its kind of Envoy; this sends the same again:
//
//	go test ./envoy/test/differential -v -run 'TestDecide/shards$' -args -seed 42 -exchanges 1
package differential
