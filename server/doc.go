// Package server speaks Envoy's protocols for a set of CORS policies. It decides nothing:
// [Server] runs the gRPC listener with the external processor, the external authorization
// service, health and its drain, and other services that join them. Package wire makes
// the answers.
//
// The values here are built as struct literals, and nothing starts before a method named
// Run is called. Run returns once all that it started has ended.
package server
