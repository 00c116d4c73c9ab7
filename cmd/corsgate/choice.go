package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// choice is a flag with a closed list of values, the first of them its default;
// an empty default is not named.
type choice struct {
	value   string
	allowed []string
}

// oneOf returns the choice among allowed.
func oneOf(allowed ...string) *choice {
	return &choice{value: allowed[0], allowed: allowed}
}

// String returns the value that is set.
func (c *choice) String() string { return c.value }

// Type returns the flag's placeholder in the help.
func (c *choice) Type() string { return c.named("|") }

// Set takes one of the allowed values.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("want one of %s", c.named(", "))
	}
	c.value = s
	return nil
}

// named lists the values.
func (c *choice) named(separator string) string {
	return strings.Trim(strings.Join(c.allowed, separator), separator)
}

// level returns the value as a log level.
func (c *choice) level() slog.Level {
	var l slog.Level
	// The value is one that slog knows, since Set has accepted it.
	_ = l.UnmarshalText([]byte(c.value))
	return l
}
