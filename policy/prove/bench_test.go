package prove

import (
	"strings"
	"testing"
)

// BenchmarkTranslate takes each regex of the table once that is translated.
func BenchmarkTranslate(b *testing.B) {
	regexes, verdicts := regexCases(b)
	b.ReportAllocs()
	for b.Loop() {
		for i, r := range regexes {
			if strings.HasPrefix(verdicts[i], "  error: ") {
				continue
			}
			if _, err := Translate(r); err != nil {
				b.Fatal(err)
			}
		}
	}
}
