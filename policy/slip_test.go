package policy

import "testing"

func TestSlipTellsHowOftenAKeyWentWrong(t *testing.T) {
	for _, tt := range []struct {
		a, b             string
		wrong, exchanged bool
	}{
		{"host", "host", false, false}, {"", "", false, false}, {"", "a", true, false}, {"hosts", "host", true, false}, {"hst", "host", true, false},
		{"hist", "host", true, false}, {"hsot", "host", false, true}, {"ab", "ba", false, true}, {"hsto", "host", false, false}, {"tosh", "host", false, false}, {"ho", "host", false, false},
	} {
		if wrong, exchanged := Slip(tt.a, tt.b); wrong != tt.wrong || exchanged != tt.exchanged {
			t.Errorf("Slip(%q, %q) = %t, %t", tt.a, tt.b, wrong, exchanged)
		}
	}
}
