// Package envoy is Envoy's side of corsgate: it writes the configuration that
// makes an Envoy ask corsgate ([Config]), finds an Envoy binary or installs the
// pinned one ([Find]), and runs one ([Process]).
//
// The configuration is kept as templates below bootstraps; each part says what
// it is for. It needs Envoy 1.39 or later.
package envoy
