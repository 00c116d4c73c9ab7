package paste

import "testing"

func TestAnyReadsCommandsAndRecordings(t *testing.T) {
	const har = `{"log": {"entries": [{"request": {"method": "GET", "url": "https://a.test/", "headers": [{"name": "Origin", "value": "https://b.test"}]}}]}}`
	for text, want := range map[string]struct {
		questions int
		fails     bool
	}{
		"curl -H 'Origin: https://b.test' https://a.test/": {1, false},
		har:                        {1, false},
		"\ufeff \r\n" + har:        {1, false},
		`{"log": {"entries": []}}`: {0, true},
		"{":                        {0, true},
		"":                         {0, true},
		`fetch("https://a.test/", {"headers": {"origin": "https://b.test"}});`: {1, false},
	} {
		if questions, _, err := Any(text); len(questions) != want.questions || (err != nil) != want.fails {
			t.Errorf("%q: %d questions, %v", text, len(questions), err)
		}
	}
}
