package policyfile

import "testing"

func TestBadPunycodeFindsLabelsThatNoBrowserSends(t *testing.T) {
	for host, want := range map[string]string{
		"example.com": "", "xn--bcher-kva.example": "", "a_b.xn--r8jz45g.jp": "",
		"xn--f": "xn--f", "a.xn--.b": "xn--", "xn--bcher-kva.xn--f.test": "xn--f", "xn--abc-.test": "xn--abc-",
	} {
		if got := badPunycode(host); got != want {
			t.Errorf("badPunycode(%q) = %q, want %q", host, got, want)
		}
	}
}

func TestAsciiOriginProposesWhatMatches(t *testing.T) {
	for text, want := range map[string]string{
		"https://bücher.example":         "https://xn--bcher-kva.example",
		"HTTPS://Bücher.Example:8443":    "https://xn--bcher-kva.example:8443",
		"http://*.bücher.example:*":      "http://*.xn--bcher-kva.example:*",
		"https://app-*.bücher.example":   "https://app-*.xn--bcher-kva.example",
		"https://bü cher.example":        "",
		"https://bücher.example/":        "",
		"https://\u200b.example":         "",
		"https://*ü.example":             "",
		"https://xn--bcher-kva.exämple.": "https://xn--bcher-kva.xn--exmple-cua.",
	} {
		if got := asciiOrigin(text); got != want {
			t.Errorf("asciiOrigin(%q) = %q, want %q", text, got, want)
		}
	}
}
