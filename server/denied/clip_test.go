package denied

import (
	"strconv"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/servertest"
)

func TestAListIsClippedBetweenNames(t *testing.T) {
	for name, c := range map[string]struct{ list, want string }{
		"a list that fits is kept whole":           {"a,bcd,ef", "a,bcd,ef"},
		"a name that does not fit goes":            {"a,bcd,efghij", "a,bcd"},
		"a name that ends at the bound stays":      {"a,bcd,ef,g", "a,bcd,ef"},
		"of a single name the beginning is kept":   {"abcdefghij", "abcdefgh"},
		"a comma at the start leaves no empty key": {",bcdefghij", ",bcdefgh"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := clipList(c.list, 8); got != c.want {
				t.Errorf("kept %q, want %q", got, c.want)
			}
		})
	}
}

// TestAPartOfWhatWasAskedGivesNoAdvice asks so many allowed headers that the
// denied one is not kept.
func TestAPartOfWhatWasAskedGivesNoAdvice(t *testing.T) {
	set := compile(t, "api")
	tr := Tracker{Advise: func(_ string, r *policy.Request) Advice {
		return Advice{Allowed: !strings.Contains(r.RequestHeaders, "x-wrong"), Allow: r.RequestHeaders}
	}}
	many := strings.Repeat("x-ok,", maxAsked/5)
	ask(&tr, set, preflight("api.test", "https://app.test", "PUT", many+"x-wrong"))
	list := tr.List()
	if len(list.Policies) != 1 || len(list.Policies[0].Origins) != 1 {
		t.Fatalf("listed %+v", list)
	}
	if o := list.Policies[0].Origins[0]; o.Asked != strconv.Quote(strings.TrimSuffix(many, ","))+"..." || o.Allow != "" {
		t.Errorf("listed %+v", o)
	}
}

func TestWhatChangesWhileNewsAreSortedIsToldLater(t *testing.T) {
	set := compile(t, "api", "web")
	var tr Tracker
	for range 3 {
		ask(&tr, set, get("api.test", "https://anew.test"))
		ask(&tr, set, get("web.test", "https://gone.test"))
	}
	ask(&tr, set, get("api.test", "https://more.test"))
	come := tr.untold()
	ask(&tr, set, get("api.test", "https://more.test"))
	tr.noteTold(come[:0])
	if n := len(tr.untold()); n != 3 {
		t.Fatalf("%d are untold, want 3", n)
	}
	tr.noteTold(come)
	if left := tr.untold(); len(left) != 1 || left[0].origin != "https://more.test" || left[0].times != 1 {
		t.Errorf("left is %+v", left)
	}
	servertest.Prepare(t, &tr, compile(t, "new"))()
	ask(&tr, set, get("api.test", "https://anew.test"))
	tr.noteTold(come)
	if left := tr.untold(); len(left) != 1 || left[0].times != 1 {
		t.Errorf("of what began anew is left %+v", left)
	}
}
