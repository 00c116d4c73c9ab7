package prove

import "testing"

// BenchmarkTranslate takes each regex of the table once.
func BenchmarkTranslate(b *testing.B) {
	regexes, _ := regexCases(b)
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range regexes {
			if _, err := Translate(r); err != nil {
				b.Fatal(err)
			}
		}
	}
}
