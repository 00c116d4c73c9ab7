package wire

import (
	"strconv"
	"testing"
)

func TestAppendQuotedIsQuote(t *testing.T) {
	texts := []string{"", "https://example.com", "\u00e9", "\U0001F600", "\xff", "\xe2\x82", "a\"b", `a\b`}
	for c := range 256 {
		texts = append(texts, "a"+string([]byte{byte(c)})+"b")
	}
	for _, s := range texts {
		if got, want := string(appendQuoted([]byte("kept"), s)), "kept"+strconv.Quote(s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
