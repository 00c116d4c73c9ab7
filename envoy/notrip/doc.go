// Package notrip compiles policies into an Envoy filter, so that Envoy decides by
// itself what [policy.Set.Decide] would. A set goes in, resources come out; the package
// reads and writes nothing else.
//
// The filter is a composite filter whose matchers are data. Its principle: Envoy grants
// or denies a request only if an exact map or a narrow expression says so. About
// everything else it asks the service by ext_proc, as in the profile one-trip. exact.go
// has the narrow expressions.
//
// Envoy 1.39 and 1.40 behave like this: An ext_authz filter that is switched off, and is
// configured to deny then, answers without a call. If a nested matcher does not match,
// matching goes on with what follows it. A composite within a chain does not see the
// chains that the outer composite names. A name that is not defined lets a request pass
// untouched, so each [Resource] is verified before it is returned.
package notrip
