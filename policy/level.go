package policy

import "fmt"

// MarshalText returns the level's word, for JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's word.
func (l *Level) UnmarshalText(text []byte) error {
	switch string(text) {
	case "error":
		*l = Error
	case "warning":
		*l = Warning
	default:
		return fmt.Errorf("no level %q: write error or warning", text)
	}
	return nil
}
