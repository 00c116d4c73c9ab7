package cases

import (
	"strings"
	"testing"
)

// one is a case file with a case that begins on line 4; rest begins on line 7.
func one(rest string) string {
	return head + "cases:\n- name: one\n  why: a test\n  request: {host: a.test}\n" + rest
}

// refusals are what Parse refuses, and parts of what it says.
var refusals = []struct {
	name, yaml string
	want       []string
}{
	{"what is no YAML", "about: [", []string{"f.yaml:2: "}},
	{"what hides the end of a line", one("  want: {reason: no_policy} # see\u2028  policy: p\n"), []string{"f.yaml:7:34: error [hidden-character]", "end lines with LF or CRLF"}},
	{"what is invisible", head + "cases:\n- name: o\u200bne\n", []string{"f.yaml:4:10: error [hidden-character]"}},
	{"a group's text that hides something", head + "groups:\n  t.txt: |\n    https://a.example # \rhttps://evil.example\n", []string{"f.yaml:5:25: error [hidden-character]"}},
	{"what is not UTF-8", "about: \xff\n# \xff\n", []string{"f.yaml:1:8: error [text-encoding]", "f.yaml:2:3: error [text-encoding]"}},
	{"what is no mapping", "- a", []string{"f.yaml:1: this is a list, and a mapping is meant"}},
	{"an empty file", "", []string{"f.yaml:1: the file has no content"}},
	{"comments alone", "# cases\n", []string{"f.yaml:1: the file has no content"}},
	{"an unknown field of the file", head + "case: []\n", []string{"f.yaml:3: there is no field case here (did you mean \"cases\"?)"}},
	{"an unknown field of a case", one("  wants: {}\n"), []string{`f.yaml:7: there is no field wants here (did you mean "want"?)`}},
	{"an unknown field of a request", head + "cases:\n- name: one\n  request:\n    host: a.test\n    header: {}\n", []string{`f.yaml:7: there is no field header here (did you mean "headers"?)`}},
	{"an unknown field of what is wanted", one("  want:\n    reasons: no_policy\n"), []string{`f.yaml:8: there is no field reasons here (did you mean "reason"?)`}},
	{"an unknown field of a shadow", one("  want:\n    reason: no_policy\n    shadow: {name: q}\n"), []string{"f.yaml:9: there is no field name here (write one of policy, reason, differs)"}},
	{"an unknown field of a long value", one("  upstream: {headers: {x: {text: a}}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: there is no field text here (write one of before, repeat, times, after)"}},
	{"a field twice", one("  why: again\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: ", "why"}},
	{"a status that is no number", one("  want: {reason: no_policy, status: two}\n"), []string{"f.yaml:7: this is text, and a whole number is meant"}},
	{"a host that is a list", head + "cases:\n- name: one\n  request: {host: [a.test]}\n", []string{"f.yaml:5: this is a list, and text is meant"}},
	{"a want that is text", one("  want: no_policy\n"), []string{"f.yaml:7: this is text, and a mapping is meant"}},
	{"profiles that are text", one("  only: decide\n"), []string{"f.yaml:7: this is text, and a list is meant"}},
	{"a word for true or false", one("  want: {forwarded: maybe}\n"), []string{"f.yaml:7: this is text, and true or false is meant"}},
	{"cases that are a mapping", "cases: {name: one}\n", []string{"f.yaml:1: this is a mapping, and a list is meant"}},
	{"a file without a case", "cases: []\n", []string{"f.yaml:1: the file has no case"}},
	{"groups without policies", "about: a test\ngroups: {a.txt: https://a.example}\nload: []\n", []string{"f.yaml:1: groups without policies"}},
	{"a group of the policy file's name", head + "groups: {f.yaml: https://a.example}\ncases: []\n", []string{"groups: f.yaml is the name of the policy file"}},
	{"a case without a name", head + "cases:\n- {why: a test, request: {host: a.test}, want: {reason: no_policy}}\n", []string{"f.yaml:4: name is missing"}},
	{"a case without a host", head + "cases:\n- {name: one, why: a test, want: {reason: no_policy}}\n", []string{`f.yaml:4: "one": request.host is missing`}},
	{"a case that wants nothing", one(""), []string{`f.yaml:4: "one": want is missing for "decide"`}},
	{"two cases of one name", one("  want: {reason: no_policy}\n- name: one\n  why: a test\n  request: {host: a.test}\n  want: {reason: no_policy}\n"), []string{`f.yaml:8: "one": line 4 has the same name`}},
	{"a case and a load entry of one name", one("  want: {reason: no_policy}\nload:\n- {name: one, why: a test, policies: {policies: []}, want: []}\n"), []string{`f.yaml:9: "one": line 4 has the same name`}},
	{"a word that is no reason", one("  want: {reason: allowed}\n"), []string{`f.yaml:4: "one": want.reason: "allowed" is not a reason`}},
	{"no reason where one is given", one("  want: {policy: p}\n"), []string{`want.reason: "" is not a reason`}},
	{"a shadow's word that is no reason", one("  want: {reason: no_policy, shadow: {policy: q, reason: denied}}\n"), []string{`want.shadow.reason: "denied" is not a reason`}},
	{"a wanted header that is never compared", one("  want: {reason: no_policy, headers: {content-type: a}}\n"), []string{"want.headers: content-type is never compared"}},
	{"an unknown profile that alone can run a case", one("  only: [two-trip]\n  because: a test\n  want: {reason: no_policy}\n"), []string{`only: unknown profile "two-trip"`}},
	{"profiles without a reason", one("  only: [decide]\n  want: {reason: no_policy}\n"), []string{"only and because come together"}},
	{"a reason without profiles", one("  because: a test\n  want: {reason: no_policy}\n"), []string{"only and because come together"}},
	{"an exception for an unknown profile", one("  want: {reason: no_policy}\n  except: {two-trip: {because: a test, want: {reason: no_policy}}}\n"), []string{`except: unknown profile "two-trip"`}},
	{"an exception for a profile that cannot run the case", one("  only: [decide]\n  because: a test\n  want: {reason: no_policy}\n  except: {two-phase: {because: a test, want: {reason: no_policy}}}\n"), []string{`except: only leaves "two-phase" out`}},
	{"an exception without a reason", one("  want: {reason: no_policy}\n  except: {two-phase: {want: {reason: no_policy}}}\n"), []string{"except.two-phase: because is missing"}},
	{"an exception that wants nothing", one("  want: {reason: no_policy}\n  except: {two-phase: {because: a test}}\n"), []string{`want is missing for "two-phase"`}},
	{"a decision where nothing is decided", one("  want: {reason: no_policy}\n  except: {one-trip: {because: a test, want: {reason: no_policy}}}\n"), []string{"except.one-trip: leave policy, reason and shadow out"}},
	{"headers that are a list", head + "cases:\n- name: one\n  why: a test\n  request:\n    host: a.test\n    headers: [origin]\n  want: {reason: no_policy}\n", []string{"f.yaml:8: headers are a mapping"}},
	{"a header name in upper case", one("  upstream: {headers: {Vary: a}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7: "Vary" is not a header name in lower case`}},
	{"a header name that is no token", one("  upstream: {headers: {\"a b\": a}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7: "a b" is not a header name`}},
	{"a header name twice", one("  upstream: {headers: {vary: a, vary: b}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: ", "vary"}},
	{"a header without a line", one("  upstream: {headers: {vary: []}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: a header has at least one line"}},
	{"lines of lines", one("  upstream: {headers: {vary: [[a]]}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: a header line is a text"}},
	{"a character that is no byte", one("  upstream: {headers: {vary: 例}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: '例' has no byte in ISO-8859-1"}},
	{"binary that is none", one("  upstream: {headers: {vary: !!binary \"?\"}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: "}},
	{"a long value without a length", one("  upstream: {headers: {vary: {repeat: a}}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: repeat and times make 1 to "}},
	{"a long value that is too long", one("  upstream: {headers: {vary: {repeat: aaaa, times: 1048577}}}\n  want: {reason: no_policy}\n"), []string{"f.yaml:7: repeat and times make 1 to "}},
	{"a load entry without policies", head + "load:\n- {name: one, why: a test, want: []}\n", []string{`f.yaml:4: "one": policies is missing`}},
	{"a load entry that wants nothing", head + "load:\n- {name: one, why: a test, policies: {policies: []}}\n", []string{`f.yaml:4: "one": want is missing`}},
	{"an unknown field of a load entry", head + "load:\n- {name: one, why: a test, policies: {policies: []}, errors: []}\n", []string{"f.yaml:4: there is no field errors here (write one of"}},
	{"all mistakes at once", head + "cases:\n- {name: one}\n- {name: two, oops: 1}\n- {name: one}\n", []string{
		`f.yaml:4: "one": request.host is missing`, `f.yaml:5: there is no field oops here (write one of`, `f.yaml:6: "one": line 4 has the same name`,
	}},
}

func TestParseRefuses(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(test.yaml))
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to contain %q", err, want)
				}
			}
			for _, line := range strings.Split(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f.yaml:") {
					t.Errorf("%q has no place", line)
				}
				if strings.Contains(line, "go-yaml") || strings.Contains(line, "cannot construct") || strings.Contains(line, "YAML struct") || strings.Contains(line, "cases.") {
					t.Errorf("%q speaks of the code", line)
				}
			}
		})
	}
}
