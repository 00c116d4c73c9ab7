// Package programs pins the control planes that the tests run: its go.mod has them as
// tools, apart from the product's own.
package programs
