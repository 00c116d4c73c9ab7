package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/contract"
)

// written is an entry as Envoy writes it.
func written(members map[string]string) string {
	var b strings.Builder
	separator := "{"
	for _, key := range append([]string{contract.FedSet, contract.Policy, contract.Reason}, inputKeys()...) {
		if value, ok := members[key]; ok {
			fmt.Fprintf(&b, `%s"%s":%s`, separator, key, escaped(value))
			separator = ","
		}
	}
	return b.String() + "}\n"
}

func inputKeys() (keys []string) {
	for _, in := range contract.FedInputs() {
		keys = append(keys, in.Key)
	}
	return keys
}

// escaped is a value as Envoy writes it: as JSON, or, if it is not UTF-8, each byte that
// is not plain ASCII by itself.
func escaped(value string) string {
	if utf8.ValidString(value) {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(value) // a buffer takes everything
		return strings.TrimSpace(b.String())
	}
	var b strings.Builder
	for i := range len(value) {
		if c := value[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return `"` + b.String() + `"`
}

// sample has every member.
func sample() map[string]string {
	members := map[string]string{contract.FedSet: "0123", contract.Policy: "api", contract.Reason: "request_allowed"}
	for _, key := range inputKeys() {
		members[key] = "a " + key
	}
	return members
}

// TestEveryInputOfADecisionIsTold holds the inputs to the fields of a request: those that
// Envoy's route gives are for requests that are asked about.
func TestEveryInputOfADecisionIsTold(t *testing.T) {
	e, err := readEntry(written(sample()))
	if err != nil {
		t.Fatal(err)
	}
	if len(inputs) != len(contract.FedInputs()) {
		t.Errorf("%d inputs are read, %d are told", len(inputs), len(contract.FedInputs()))
	}
	seen := map[string]bool{}
	v := reflect.ValueOf(e.request)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).String()
		switch name {
		case "Policy", "Route":
			continue
		}
		if !strings.HasPrefix(value, "a ") || seen[value] {
			t.Errorf("%s is %q", name, value)
		}
		seen[value] = true
	}
	if e.set != "0123" || e.policy != "api" || e.reason != policy.ReasonRequestAllowed || e.clipped {
		t.Errorf("got %+v", e)
	}
}

// TestBytesAreReadAsTheyWere has values that are not UTF-8, and some that look like what
// Envoy makes of these.
func TestBytesAreReadAsTheyWere(t *testing.T) {
	for _, value := range []string{
		"\xff", "\u00ff", "\xff\u00ff", "\xc3\xbf", "\xc3", `\u00ff`, `\xff`, "\"", `\`, "/", "\x00\x01\t\n\x7f", "\u2028\u212a\U0001f600", "a\xffb", "%41", "",
	} {
		members := sample()
		members["origin"], members["path"] = value, "/"+value
		e, err := readEntry(written(members))
		if err != nil || e.request.Origin != value || e.request.Path != "/"+value {
			t.Errorf("%q: got %+v, %v", value, e, err)
		}
	}
	e, err := readEntry(`{"set":"1","reason":"no_policy","origin":"\u0041\u0100\b\f\n\r\t\/\"\\","path":null}`)
	if want := "A\u0100\b\f\n\r\t/\"\\"; err != nil || e.request.Origin != want || e.request.Path != "" {
		t.Errorf("got %+v, %v, want %q", e, err, want)
	}
}

func TestWhatIsNotAnEntryIsRefused(t *testing.T) {
	for body, want := range map[string]string{
		"":                                  "not an object of texts",
		"-":                                 "not an object of texts",
		"null":                              "no set",
		"[]":                                "not an object of texts",
		`"set"`:                             "not an object of texts",
		`{}`:                                "no set",
		`{"set":"1"}`:                       `the reason "" is not known`,
		`{"set":"1","reason":"unanswered"}`: `the reason "unanswered" is not known`,
		`{"set":"1","reason":"unknown"}`:    `the reason "unknown" is not known`,
		`{"set":1,"reason":"no_policy"}`:    "a member that is not a text",
		`{"set":"1","reason":"no_policy","path":{}}`:                            "a member that is not a text",
		`{"set":"1","reason":"no_policy"`:                                       "not an object of texts",
		`{"set":"1","reason":"no_policy"}{}`:                                    "not an object of texts",
		`{"set":"1","reason":"` + strings.Repeat("x", 1000) + `"}`:              `the reason "` + strings.Repeat("x", 256) + `" is not known`,
		`{"set":"1","reason":"no_policy","x":"` + strings.Repeat("x", maxEntry): "bytes, of which 131072 are read at most",
	} {
		if e, err := readEntry(body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %+v, %v, want %q", body, e, err, want)
		}
	}
}

// TestAnInputThatIsCutIsNoticed has values of which Envoy tells only the beginning.
func TestAnInputThatIsCutIsNoticed(t *testing.T) {
	for _, in := range contract.FedInputs() {
		for length, want := range map[int]bool{in.Most - 1: false, in.Most: true} {
			members := sample()
			members[in.Key] = strings.Repeat("x", length)
			if e, err := readEntry(written(members)); err != nil || e.clipped != want {
				t.Errorf("%s of %d bytes: got %v, %v", in.Key, length, e.clipped, err)
			}
		}
	}
}

// TestAnEntryFitsIntoAMessage has the longest inputs, each byte escaped.
func TestAnEntryFitsIntoAMessage(t *testing.T) {
	members := sample()
	for _, in := range contract.FedInputs() {
		members[in.Key] = strings.Repeat("\xff", in.Most)
	}
	if n := len(written(members)); n > maxEntry {
		t.Errorf("%d bytes, %d are read at most", n, maxEntry)
	}
}

// FuzzReadEntry holds what is read to what was written, and wants no panic for what
// nobody has written.
func FuzzReadEntry(f *testing.F) {
	f.Add(written(sample()), "\xff", "/\u00ff")
	f.Add(`{"set":"1","reason":"no_policy","origin":"\ud83d\ude00\u00","x":[{}]}`, "", "\\u00ff")
	f.Add(`{"SET":"1","set":"2","reason":"no_policy","reason":"policy_off"}`, "\x00", `"`)
	f.Add("{\"set\":\"\xff\"}", "https://app.example", "/%ff")
	f.Fuzz(func(t *testing.T, body, origin, path string) {
		if e, err := readEntry(body); (e == nil) == (err == nil) {
			t.Errorf("got %v, %v", e, err)
		}
		members := sample()
		members["origin"], members["path"] = origin, path
		text := written(members)
		if len(text) > maxEntry {
			return
		}
		if e, err := readEntry(text); err != nil || e.request.Origin != origin || e.request.Path != path {
			t.Errorf("%q, %q: got %+v, %v", origin, path, e, err)
		}
	})
}
