// Package policy decides what CORS answer a request gets. It knows neither
// gRPC nor Envoy, neither a clock nor a goroutine: a [Spec] is what a user
// wrote, [Validate] judges specs and makes a [Valid] of those that are good,
// [Compile] turns that into one immutable [Set], and [Set.Decide] maps a
// [Request] to a [Decision].
//
// The rules are those of the Fetch standard (https://fetch.spec.whatwg.org/);
// each branch that carries one names its section. Everything here is safe for
// concurrent use once it is built.
package policy
