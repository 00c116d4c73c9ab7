package printable

// MaxBytes is how many bytes of a request's value are shown: in metadata, and so
// in Envoy's access log, in decision logs and in traces.
const MaxBytes = 256

// Clip returns the part of a request's value that is shown.
func Clip(value string) string { return value[:min(len(value), MaxBytes)] }

// IsPlain reports whether s is printable ASCII without quotes and backslashes, so
// that quoting it, as Go or as JSON does, changes nothing between the quotes.
func IsPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
