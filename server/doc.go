// Package server speaks Envoy's protocols for a set of CORS policies. It
// translates and never decides: [ExtProc] is the external processor and
// [ExtAuthz] the external authorization service over [policy.Set.Decide],
// [Reloader] keeps a [policy.Store] at what a [Source] holds, and [Server] runs
// the gRPC listener with its health service and its drain.
//
// The values here are built as struct literals and nothing starts before a
// method named Run is called; a Run returns when all that it started has ended.
package server
