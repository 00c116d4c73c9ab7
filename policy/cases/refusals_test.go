package cases

import (
	"strings"
	"testing"
)

// one is a case file with a case that begins on line 4; rest begins on line 7.
func one(rest string) string {
	return head + "cases:\n- name: one\n  why: a test\n  request: {host: a.test}\n" + rest
}

// refusals are what Parse refuses, and all that it says.
var refusals = []struct {
	name, yaml string
	want       []string
}{
	{"what is no YAML", "about: [", []string{"f.yaml:2:1: did not find expected node content"}},
	{"what hides the end of a line", one("  want: {reason: no_policy} # see\u2028  policy: p\n"), []string{`f.yaml:7:34: error [hidden-character] "U+2028": some programs see the end of a line here, and others do not (end lines with LF or CRLF)`}},
	{"what is invisible", head + "cases:\n- name: o\u200bne\n", []string{`f.yaml:4:10: error [hidden-character] "U+200B": this is invisible, or changes how the text around it looks (remove it)`}},
	{"a group's text that hides something", head + "groups:\n  t.txt: |\n    https://a.example # \rhttps://evil.example\n", []string{`f.yaml:5:25: error [hidden-character] "U+000D": some programs see the end of a line here, and others do not (end lines with LF or CRLF)`}},
	{"what is not UTF-8", "about: \xff\n# \xff\n", []string{
		`f.yaml:1:8: error [text-encoding] "0xFF": the file is not UTF-8 here (save the file as UTF-8)`,
		`f.yaml:2:3: error [text-encoding] "0xFF": the file is not UTF-8 here (save the file as UTF-8)`,
	}},
	{"what is no mapping", "- a", []string{"f.yaml:1:1: this is a list, and a mapping is meant"}},
	{"an empty file", "", []string{"f.yaml:1:1: the file has no content: write some cases"}},
	{"comments alone", "# cases\n", []string{"f.yaml:1:1: the file has no content: write some cases"}},
	{"an unknown field of the file", head + "case: []\n", []string{`f.yaml:3:1: there is no field case here (did you mean "cases"?)`}},
	{"an unknown field of a case", one("  wants: {}\n"), []string{`f.yaml:7:3: "one": there is no field wants here (did you mean "want"?)`}},
	{"an unknown field of a request", head + "cases:\n- name: one\n  request:\n    host: a.test\n    header: {}\n", []string{
		`f.yaml:4:3: "one": want: it is missing`,
		`f.yaml:7:5: "one": request: there is no field header here (did you mean "headers"?)`,
	}},
	{"an unknown field of what is wanted", one("  want:\n    reasons: no_policy\n"), []string{`f.yaml:8:5: "one": want: there is no field reasons here (did you mean "reason"?)`}},
	{"an unknown field of a shadow", one("  want:\n    reason: no_policy\n    shadow: {name: q}\n"), []string{
		`f.yaml:9:13: "one": want.shadow.policy: it is missing: with partial: true above the cases it may be left out`,
		`f.yaml:9:13: "one": want.shadow.reason: it is missing: with partial: true above the cases it may be left out`,
		`f.yaml:9:14: "one": want.shadow: there is no field name here (write one of policy, reason, differs)`,
	}},
	{"an unknown field of a long value", one("  upstream: {headers: {x: {text: a}}}\n  want: {reason: no_policy}\n"), []string{
		`f.yaml:7:27: "one": upstream.headers.x: repeat and times make 1 to 4194304 bytes`,
		`f.yaml:7:28: "one": upstream.headers.x: there is no field text here (write one of before, repeat, times, after)`,
	}},
	{"a field twice", one("  why: again\n  want: {reason: no_policy}\n"), []string{"f.yaml:7:3: the field why is written twice, first on line 5"}},
	{"a status that is no number", one("  want: {reason: no_policy, status: two}\n"), []string{`f.yaml:7:37: "one": want.status: this is text, and a whole number is meant`}},
	{"a host that is a list", head + "cases:\n- name: one\n  request: {host: [a.test]}\n", []string{
		`f.yaml:4:3: "one": want: it is missing`,
		`f.yaml:5:19: "one": request.host: this is a list, and text is meant`,
	}},
	{"a want that is text", one("  want: no_policy\n"), []string{`f.yaml:7:9: "one": want: this is text, and a mapping is meant`}},
	{"profiles that are text", one("  only: decide\n"), []string{
		`f.yaml:4:3: "one": want: it is missing`,
		`f.yaml:7:9: "one": only: this is text, and a list is meant`,
	}},
	{"a word for true or false", one("  want: {forwarded: maybe}\n"), []string{
		`f.yaml:7:9: "one": want.reason: it is missing: with partial: true above the cases it may be left out`,
		`f.yaml:7:21: "one": want.forwarded: this is text, and true or false is meant`,
	}},
	{"cases that are a mapping", "cases: {name: one}\n", []string{"f.yaml:1:8: cases: this is a mapping, and a list is meant"}},
	{"a file without a case", "cases: []\n", []string{"f.yaml:1:8: cases: there is none: write some"}},
	{"groups without policies", "about: a test\ngroups: {a.txt: https://a.example}\nload: []\n", []string{
		"f.yaml:1:1: cases: there is none: write some",
		"f.yaml:2:9: groups: there are no policies here that could name them",
	}},
	{"a group of the policy file's name", head + "groups: {f.yaml: https://a.example}\ncases: []\n", []string{
		"f.yaml:3:9: groups: f.yaml is the name of the policy file",
		"f.yaml:4:8: cases: there is none: write some",
	}},
	{"a case without a name", head + "cases:\n- {why: a test, request: {host: a.test}, want: {reason: no_policy}}\n", []string{"f.yaml:4:3: name: it is missing: say in a sentence what the case shows"}},
	{"a case without a host", head + "cases:\n- {name: one, why: a test, want: {reason: no_policy}}\n", []string{`f.yaml:4:3: "one": request.host: it is missing`}},
	{"a case that wants nothing", one(""), []string{`f.yaml:4:3: "one": want: it is missing`}},
	{"two cases of one name", one("  want: {reason: no_policy}\n- name: one\n  why: a test\n  request: {host: a.test}\n  want: {reason: no_policy}\n"), []string{`f.yaml:8:9: "one": name: line 4 has the same name`}},
	{"a case and a load entry of one name", one("  want: {reason: no_policy}\nload:\n- {name: one, why: a test, policies: {policies: []}, want: []}\n"), []string{`f.yaml:9:10: "one": name: line 4 has the same name`}},
	{"a word that is no reason", one("  want: {reason: allowed}\n"), []string{`f.yaml:7:18: "one": want.reason: "allowed" is not a reason`}},
	{"no reason where one is given", one("  want: {policy: p}\n"), []string{`f.yaml:7:9: "one": want.reason: it is missing: with partial: true above the cases it may be left out`}},
	{"a shadow's word that is no reason", one("  want: {reason: no_policy, shadow: {policy: q, reason: denied}}\n"), []string{`f.yaml:7:57: "one": want.shadow.reason: "denied" is not a reason`}},
	{"a wanted header that is never compared", one("  want: {reason: no_policy, headers: {content-type: a}}\n"), []string{`f.yaml:7:53: "one": want.headers.content-type: it is never compared; only Access-Control-*, Vary and x-corsgate-reason are`}},
	{"an unknown profile that alone can run a case", one("  only: [two-trip]\n  because: a test\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:9: "one": only: unknown profile "two-trip"; there are ["decide" "one-trip" "two-phase" "ext-authz" "no-trip"]`}},
	{"profiles without a reason", one("  only: [decide]\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:9: "one": only: it needs because, and because needs it: name the profiles, and say why the others are left out`}},
	{"a reason without profiles", one("  because: a test\n  want: {reason: no_policy}\n"), []string{`f.yaml:4:3: "one": only: it needs because, and because needs it: name the profiles, and say why the others are left out`}},
	{"an exception for an unknown profile", one("  want: {reason: no_policy}\n  except: {two-trip: {because: a test, want: {reason: no_policy}}}\n"), []string{
		`f.yaml:8:22: "one": except.two-trip: unknown profile; there are ["decide" "one-trip" "two-phase" "ext-authz" "no-trip"]`,
		`f.yaml:8:46: "one": except.two-trip.want: leave policy, reason and shadow out: without an Origin Envoy does not report them there`,
	}},
	{"an exception for a profile that cannot run the case", one("  only: [decide]\n  because: a test\n  want: {reason: no_policy}\n  except: {two-phase: {because: a test, want: {reason: no_policy}}}\n"), []string{`f.yaml:10:23: "one": except.two-phase: only leaves it out`}},
	{"an exception without a reason", one("  want: {reason: no_policy}\n  except: {two-phase: {want: {reason: no_policy}}}\n"), []string{`f.yaml:8:23: "one": except.two-phase.because: it is missing: say what Envoy does`}},
	{"an exception that wants nothing", one("  want: {reason: no_policy}\n  except: {two-phase: {because: a test}}\n"), []string{`f.yaml:8:23: "one": except.two-phase.want: it is missing`}},
	{"a decision where nothing is decided", one("  want: {reason: no_policy}\n  except: {one-trip: {because: a test, want: {reason: no_policy}}}\n"), []string{`f.yaml:8:46: "one": except.one-trip.want: leave policy, reason and shadow out: without an Origin Envoy does not report them there`}},
	{"headers that are a list", head + "cases:\n- name: one\n  why: a test\n  request:\n    host: a.test\n    headers: [origin]\n  want: {reason: no_policy}\n", []string{`f.yaml:8:14: "one": request.headers: headers are a mapping of names to values`}},
	{"a header name in upper case", one("  upstream: {headers: {Vary: a}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:24: "one": upstream.headers: "Vary" is not in lower case: write vary`}},
	{"a header name that is no token", one("  upstream: {headers: {\"a b\": a}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:24: "one": upstream.headers: "a b" is not a header name`}},
	{"a header name twice", one("  upstream: {headers: {vary: a, vary: b}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:33: "one": upstream.headers: the header vary is written twice; write its lines as a list`}},
	{"a header without a line", one("  upstream: {headers: {vary: []}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:30: "one": upstream.headers.vary: a header has at least one line; leave it out instead`}},
	{"lines of lines", one("  upstream: {headers: {vary: [[a]]}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:31: "one": upstream.headers.vary: a header line is a text, a !!binary, or {before, repeat, times, after}`}},
	{"a character that is no byte", one("  upstream: {headers: {vary: 例}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:30: "one": upstream.headers.vary: '例' has no byte in ISO-8859-1; write !!binary`}},
	{"binary that is none", one("  upstream: {headers: {vary: !!binary \"?\"}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:30: "one": upstream.headers.vary: !!binary value contains invalid base64 data`}},
	{"a long value without a length", one("  upstream: {headers: {vary: {repeat: a}}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:30: "one": upstream.headers.vary: repeat and times make 1 to 4194304 bytes`}},
	{"a long value that is too long", one("  upstream: {headers: {vary: {repeat: aaaa, times: 1048577}}}\n  want: {reason: no_policy}\n"), []string{`f.yaml:7:30: "one": upstream.headers.vary: repeat and times make 1 to 4194304 bytes`}},
	{"a load entry without policies", head + "load:\n- {name: one, why: a test, want: []}\n", []string{`f.yaml:4:3: "one": policies: it is missing`}},
	{"a load entry that wants nothing", head + "load:\n- {name: one, why: a test, policies: {policies: []}}\n", []string{`f.yaml:4:3: "one": want: it is missing: write "want: []" where it loads`}},
	{"an unknown field of a load entry", head + "load:\n- {name: one, why: a test, policies: {policies: []}, errors: []}\n", []string{
		`f.yaml:4:3: "one": want: it is missing: write "want: []" where it loads`,
		`f.yaml:4:54: "one": there is no field errors here (write one of name, why, policies, want, warnings)`,
	}},
	{"mistakes in one line of JSON", `{"partial": 1, "case": [], "cases": [{"name": "one", "request": {"host": 1, "port": 80, "headers": {"Vary": "a", "x": []}}, "want": {"status": "two", "reason": "fine", "reason": "ok"}}, {"name": 5, "request": [], "only": [["a"]]}]}`, []string{
		`f.yaml:1:13: partial: YAML reads this as a number, and true or false is meant`,
		`f.yaml:1:16: there is no field case here (did you mean "cases"?)`,
		`f.yaml:1:77: "one": request: there is no field port here (did you mean "host"?)`,
		`f.yaml:1:101: "one": request.headers: "Vary" is not in lower case: write vary`,
		`f.yaml:1:119: "one": request.headers.x: a header has at least one line; leave it out instead`,
		`f.yaml:1:144: "one": want.status: this is text, and a whole number is meant`,
		`f.yaml:1:161: "one": want.reason: "fine" is not a reason`,
		`f.yaml:1:169: the field reason is written twice, first on line 1`,
		`f.yaml:1:187: "5": want: it is missing`,
		`f.yaml:1:210: "5": request: this is a list, and a mapping is meant`,
		`f.yaml:1:222: "5": only: it needs because, and because needs it: name the profiles, and say why the others are left out`,
		`f.yaml:1:223: "5": only[0]: this is a list, and text is meant`,
	}},
	{"mistakes in one file, in its cases and in its load entries", "abouts: a test\ncases: [a]\nload: [{name: one, policies: {policies: []}}, []]\n", []string{
		`f.yaml:1:1: there is no field abouts here (did you mean "about"?)`,
		`f.yaml:2:9: this is text, and a mapping is meant`,
		`f.yaml:3:8: "one": want: it is missing: write "want: []" where it loads`,
		`f.yaml:3:47: this is a list, and a mapping is meant`,
	}},
	{"headers as fields", `{"vary": 1, "cases": [{"name": "one", "origin": "a", "request": {"host": "a.test", "Origin": "a", "sec-fetch-site": "none"}, "upstream": {"Vary": "a"}, "want": {"reason": "no_policy", "access-control-max-age": 5}}]}`, []string{
		`f.yaml:1:2: there is no field vary here (write one of about, partial, policies, cases)`,
		`f.yaml:1:39: "one": there is no field origin here (it is a header: write request: {headers: {origin: ...}})`,
		`f.yaml:1:84: "one": request: there is no field Origin here (it is a header: write headers: {origin: ...})`,
		`f.yaml:1:99: "one": request: there is no field sec-fetch-site here (it is a header: write headers: {sec-fetch-site: ...})`,
		`f.yaml:1:139: "one": upstream: there is no field Vary here (it is a header: write headers: {vary: ...})`,
		`f.yaml:1:185: "one": want: there is no field access-control-max-age here (it is a header: write headers: {access-control-max-age: ...})`,
	}},
	{"fields as headers", `{"cases": [{"name": "one", "request": {"host": "a.test", "headers": {"Host": "a", "host": "a", ":path": "/", "Origin": "a"}}, "upstream": {"headers": {"host": "a"}}, "want": {"reason": "no_policy"}}]}`, []string{
		`f.yaml:1:70: "one": request.headers: "Host" has a field of its own: write it as request.host`,
		`f.yaml:1:83: "one": request.headers: "host" has a field of its own: write it as request.host`,
		`f.yaml:1:96: "one": request.headers: ":path" has a field of its own: write it as request.path`,
		`f.yaml:1:110: "one": request.headers: "Origin" is not in lower case: write origin`,
	}},
	{"all mistakes at once", head + "cases:\n- {name: one}\n- {name: two, oops: 1}\n- {name: one}\n", []string{
		`f.yaml:4:3: "one": request.host: it is missing`,
		`f.yaml:4:3: "one": want: it is missing`,
		`f.yaml:5:3: "two": request.host: it is missing`,
		`f.yaml:5:3: "two": want: it is missing`,
		`f.yaml:5:15: "two": there is no field oops here (write one of name, why, request, policy, upstream, want)`,
		`f.yaml:6:3: "one": request.host: it is missing`,
		`f.yaml:6:3: "one": want: it is missing`,
		`f.yaml:6:10: "one": name: line 4 has the same name`,
	}},
}

func TestParseRefuses(t *testing.T) {
	for _, test := range refusals {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(test.yaml))
			if err == nil {
				t.Fatal("it is accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			same(t, "mistakes", lines, test.want)
			for _, line := range lines {
				if strings.Contains(line, "go-yaml") || strings.Contains(line, "cannot construct") || strings.Contains(line, "YAML struct") || strings.Contains(line, "cases.") {
					t.Errorf("%q speaks of the code", line)
				}
			}
		})
	}
}
