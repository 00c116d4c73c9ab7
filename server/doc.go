// Package server speaks Envoy's protocols for a set of CORS policies. It
// carries and never decides: [Server] runs the gRPC listener with the external
// processor, the external authorization service, health and its drain, over the
// bytes that package wire answers, and whatever other service joins them.
//
// The values here are built as struct literals and nothing starts before a
// method named Run is called; a Run returns when all that it started has ended.
package server
