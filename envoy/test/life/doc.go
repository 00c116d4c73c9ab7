// Package life tests how corsgate lives and dies behind a real Envoy: rolling
// restarts, killed, missing and hung processes. It has tests only.
package life
