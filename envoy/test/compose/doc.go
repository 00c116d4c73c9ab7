// Package compose has the test that brings docker-compose.yml up with a real
// container engine.
package compose
