package policy

import "testing"

func TestDiffersIsWhatShadowCounts(t *testing.T) {
	set, err := Compile([]Spec{
		{Name: "now", CORS: CORS{AllowOrigins: []string{"https://a.example", "https://b.example"}, AllowMethods: []string{"PUT"}}},
		{Name: "next", Mode: ModeShadow, CORS: CORS{AllowOrigins: []string{"https://a.example", "https://c.example"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	differing := 0
	for _, r := range []Request{
		{Method: "GET", Origin: "https://a.example"}, {Method: "GET", Origin: "https://b.example"}, {Method: "GET", Origin: "https://c.example"},
		{Method: "GET", Origin: "https://d.example"}, {Method: "GET"},
		{Method: "OPTIONS", Origin: "https://a.example", RequestMethod: "PUT"}, {Method: "OPTIONS", Origin: "https://d.example", RequestMethod: "PUT"},
	} {
		r.Authority = "api.test"
		d := set.Decide(&r)
		if got := d.Differs(&d.Shadow); got != d.ShadowDiffers || got != d.Shadow.Differs(&d.Verdict) {
			t.Errorf("%+v: %t, and shadow says %t", r, got, d.ShadowDiffers)
		}
		if d.ShadowDiffers {
			differing++
		}
	}
	if differing != 3 {
		t.Errorf("%d differ, want 3", differing)
	}
}
