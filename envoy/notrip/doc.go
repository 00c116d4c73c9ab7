// Package notrip compiles policies into an Envoy filter, so that Envoy decides by
// itself what [policy.Set.Decide] would. A set goes in, resources come out; nothing
// is read or written beside that.
//
// The filter is a composite filter whose matchers are data. Its principle: what is
// granted is looked up in an exact map or matched by a narrow expression, so is
// what is denied, and everything between is asked: it goes to the service by
// ext_proc as in the profile one-trip. Which spellings are narrow, exact.go says.
//
// Seen on Envoy 1.39 and 1.40: an ext_authz filter that is switched off and denies
// when it is, answers without a call; a nested matcher without a match falls through
// to what follows; a composite within a chain does not see the chains that the outer
// one names, and a name that nobody defines lets a request pass untouched, so that
// [Resource] is verified before it is handed out.
package notrip
