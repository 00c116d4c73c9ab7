// Package compose holds the Envoy configuration of docker-compose.yml, and a
// test that brings the whole of it up with a real container engine.
package compose
