package console

import "testing"

func TestTheClockHasMilliseconds(t *testing.T) {
	for logged, want := range map[string]string{
		"2026-03-01T12:34:56.123456789Z": "12:34:56.123", "2026-03-01T12:34:56.5Z": "12:34:56.500", "2026-03-01T12:34:56Z": "12:34:56.000", "noon": "noon",
	} {
		if got := clock(logged); got != want {
			t.Errorf("%s: %s, want %s", logged, got, want)
		}
	}
}
