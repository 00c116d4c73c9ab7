package policyfile

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

func TestRegexReasonFindsNamesOfOthers(t *testing.T) {
	for expr, want := range map[string]string{
		// Whole shared platforms.
		`^https:\/\/.*\.vercel\.app$`:                "https://attacker.vercel.app",
		`(?i)https://.*\.VERCEL\.app`:                "https://attacker.vercel.app",
		`^https://([a-zA-Z0-9-]+\.)*vercel\.app$`:    "https://attacker.vercel.app",
		`^https://\w+\.netlify\.app$`:                "https://attacker.netlify.app",
		`^https://[a-z0-9-]+\.github\.io\.?$`:        "https://attacker.github.io",
		`https://.*\.onrender\.com(:\d+)?`:           "https://attacker.onrender.com",
		`^https://.*\.up\.railway\.app$`:             "https://attacker.up.railway.app",
		`https://.*\.s3\.amazonaws\.com`:             "https://attacker.s3.amazonaws.com",
		`https://.*\.amazonaws\.com`:                 "https://attacker.s3.amazonaws.com",
		`https://[a-z.]+\.windows\.net`:              "https://attacker.blob.core.windows.net",
		`https://.*\.eastus\.cloudapp\.azure\.com`:   "https://attacker.eastus.cloudapp.azure.com",
		`https://.*\.kawasaki\.jp`:                   "https://attacker.x.kawasaki.jp",
		`https://.*\.co\.uk`:                         "https://attacker.co.uk",
		`https://[^.]+\.com`:                         "https://attacker.com",
		`https://.*\.corp`:                           "https://attacker.corp",
		`https://a\.test|https://.*\.pages\.dev`:     "https://attacker.pages.dev",
		`https://(app\.example\.com|.+\.web\.app)`:   "https://attacker.web.app",
		`https://.*\.ngrok-free\.app|https://a\.com`: "https://attacker.ngrok-free.app",
		`https://.*\.fly\.dev\.`:                     "https://attacker.fly.dev.",
		`https://www\.[a-z]+\.github\.io`:            "https://www.attacker.github.io",
		`https://my\b.*\.github\.io`:                 "https://my-attacker.github.io",
		`https://.*\bmy\.github\.io`:                 "https://attacker-my.github.io",
		`https://app\.[a-z0-9-]+\.amazonaws\.com`:    "https://app.attacker.amazonaws.com",
		`https?://(app|www|api|admin)-?[a-z0-9]*\.(preview|staging)\.example\.com|https://.*\.vercel\.app`: "https://attacker.vercel.app",
		// Parts of a name.
		`^https://my-app-[a-z0-9]+-myteam\.vercel\.app$`:     "https://my-app-attacker-myteam.vercel.app",
		`^https://my-app(-[a-z0-9]+-myteam)?\.vercel\.app`:   "https://my-app-attacker-myteam.vercel.app",
		`^https://frontend-.*\.vercel\.app$`:                 "https://frontend-attacker.vercel.app",
		`https://pr-\d+\.netlify\.app`:                       "https://pr-0.netlify.app",
		`https://pr-[1-9][0-9]{0,3}\.netlify\.app`:           "https://pr-10.netlify.app",
		`https://app[0-9]\.netlify\.app`:                     "https://app0.netlify.app",
		`https://[a-f]{6,8}\.netlify\.app`:                   "https://aaaaaaa.netlify.app",
		`https://[a-z]{4}\.netlify\.app`:                     "https://aaaa.netlify.app",
		`https://example\.bar-[0-9]+\.org`:                   "https://example.bar-0.org",
		`https://[a-f]{8}\.vercel\.app`:                      "https://aaaaaaaa.vercel.app",
		`https://[bcdfghjklmnpqrstvwxz]{6}\.vercel\.app`:     "https://bbbbbb.vercel.app",
		`(?i)https://[A-F]{8}\.vercel\.app`:                  "https://aaaaaaaa.vercel.app",
		`https://[a-f]\.vercel\.app`:                         "",
		`https://[a-j]\.vercel\.app`:                         "https://a.vercel.app",
		`https://app[1-3][1-3]\.vercel\.app`:                 "",
		`https://app[1-3][1-4]\.vercel\.app`:                 "https://app11.vercel.app",
		`https://.{0,5}\.vercel\.app`:                        "https://a.vercel.app",
		`https://x{1,2}\.vercel\.app`:                        "https://xx.vercel.app",
		`https://x+\.vercel\.app`:                            "https://x.vercel.app",
		`https://x{2}\.vercel\.app`:                          "",
		`https://(a|b){8}\.vercel\.app`:                      "https://aaaaaaaa.vercel.app",
		`https://((team|(a|b)+)-)?app\.vercel\.app`:          "https://a-app.vercel.app",
		`https://[[:alnum:]]+-app\.vercel\.app`:              "https://attacker-app.vercel.app",
		`https://([a-z]+\.)?vercel\.app`:                     "https://attacker.vercel.app",
		`https://(mine|.{0,5})\.vercel\.app`:                 "https://a.vercel.app",
		`^(https://a\.fly\.dev$|^https://[a-z]+\.fly\.dev)$`: "https://attacker.fly.dev",
		`(^https://mine|https://\b[xyz]+\b)\.vercel\.app`:    "https://x.vercel.app",
		`https://[a-z]+\.vercel\.app(:443|:8443)`:            "https://attacker.vercel.app:8443",
		`ionic://[a-z]+\.vercel\.app`:                        "ionic://attacker.vercel.app",
		`https://[a-z]+\.(mine|[a-z]+)\.vercel\.app`:         "https://a.attacker.vercel.app",
		// What is open where a dot is meant.
		`https://.*example\.com`:          "https://attackerexample.com",
		`https://app.example\.com`:        "https://appaexample.com",
		`https?://\w+\.site.example\.com`: "https://a.siteaexample.com",
		// What is somebody's own.
		`^https://myapp\.vercel\.app$`:                           "",
		`^https://(app|www)\.vercel\.app$`:                       "",
		`^https://app(1|2|3)(-eu)?\.vercel\.app$`:                "",
		`^https://app[1-9]\.vercel\.app$`:                        "",
		`^https://.*\.myapp\.vercel\.app$`:                       "",
		`https://[a-z]+\.(mine|ours)\.vercel\.app`:               "",
		`https://([a-z]+\.)*mine\.vercel\.app\.?(:\d+)?`:         "",
		`https://[A-F]{8}\.vercel\.app`:                          "",
		`https://\Qa|b\E\.vercel\.app`:                           "",
		`https://[|x]\.vercel\.app`:                              "",
		`https://mine\.s3\.amazonaws\.com`:                       "",
		`https://.*\.example\.com`:                               "",
		`https://.*\.staging\.example\.co\.uk`:                   "",
		`\A(https?://(?:.+\.)?shop\.example\.com(:\d+)?)\z`:      "",
		`^https?://(www\.)?embed\.example\.com(:[0-9]+)?$`:       "",
		`https://example\.(com|net|org)`:                         "",
		`https://[a-z]+\.[a-z]+\.example\.com`:                   "",
		`^https?://(localhost|order\.local|.*\.order\.local)$`:   "",
		`^https?://([a-z]+\.)*(localhost|internal|test)(:\d+)?$`: "",
		`^http://localhost:\d+$`:                                 "",
		`chrome-extension://[a-z]{32}`:                           "",
		`^https://192\.168\.\d+\.1$`:                             "",
		`^http://10\.\d+\.\d+\.\d+$`:                             "",
		`^https?://(192\.168\.\d{1,3}\.\d{1,3}|\[::1\]):5173$`:   "",
		// What policy.Validate speaks of.
		`.*`:                         "",
		`https://[^/]+`:              "",
		`.+\..+`:                     "",
		`https://example\.com.*`:     "",
		`https://example\.[a-z]+`:    "",
		`https://app\.example\.com/`: "",
		`(`:                          "",
	} {
		reason, witness, err := regexReason(expr)
		if witness != want || (reason != "") != (want != "") || err != nil {
			t.Errorf("%s: got %q, %q, %v, want %q", expr, reason, witness, err, want)
		}
	}
}

// listed are n alternatives of that form.
func listed(n int, form string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(form, i)
	}
	return strings.Join(list, "|")
}

// However long a list of names is, they are somebody's own, and an alternative
// that is open is found wherever it stands.
func TestAnOpenAlternativeIsFoundWhereverItStands(t *testing.T) {
	hosts, names := listed(500, `https://a%d\.example\.com`), listed(500, `app%d`)
	for expr, want := range map[string]string{
		hosts: "",
		`https://(` + names + `)\.vercel\.app(:\d+)?`:                             "",
		`https://(` + listed(100, "app%02d") + `)\.vercel\.app`:                   "",
		hosts + `|https://[a-f]+\.vercel\.app`:                                    "https://a.vercel.app",
		`https://[a-f]+\.vercel\.app|` + hosts:                                    "https://a.vercel.app",
		hosts + `|https://[a-f]+\.vercel\.app|` + hosts:                           "https://a.vercel.app",
		`https://(` + names + `|[b-d]{3})\.vercel\.app`:                           "https://bbb.vercel.app",
		`https://(` + names + `|(` + names + `|x\d+))\.vercel\.app`:               "https://x0.vercel.app",
		`https://app\.(` + listed(100, `a%d\.example\.com`) + `|\w+\.github\.io)`: "https://app.attacker.github.io",
	} {
		if _, witness, err := regexReason(expr); witness != want || err != nil {
			t.Errorf("%.80s: got %q, %v, want %q", expr, witness, err, want)
		}
	}
}

// A regex that would take too much work is not passed over in silence.
func TestARegexThatIsTooBigIsSaid(t *testing.T) {
	names := `https://` + strings.Repeat(`(ab|cd)`, 30) + `\.vercel\.app`
	places := `https://` + strings.Repeat(`\w{1,900}-`, 10) + `\.vercel\.app`
	long := listed(maxWork/20, `https://a%05d\.example\.com`)
	for _, expr := range []string{names, places, long, names + `|https://a\.example\.com`} {
		if reason, _, err := regexReason(expr); err == nil || reason != "" {
			t.Errorf("%s: %q, %v", expr, reason, err)
		}
	}
}

// starredHosts are what a star stands left of: the suffixes of the tables,
// their parents and what is below them, and names of all kinds.
func starredHosts() []string {
	hosts := []string{
		"com", "co.uk", "github.io", "vercel.app", "kawasaki.jp", "city.kawasaki.jp", "compute.amazonaws.com", "corp", "onion",
		"example.com", "example.co.uk", "me.github.io", "us-east-1.example.com", "a-b.example.org", "localhost", "app.localhost", "test", "x.internal", "order.local",
	}
	for domain, suffixes := range suffixesBelow {
		hosts = append(hosts, domain)
		for _, s := range suffixes {
			hosts = append(hosts, s, "me."+s)
		}
	}
	for domain, u := range unlistedBelow {
		hosts = append(hosts, domain, u.name, "place."+u.name, "me.place."+u.name)
	}
	return hosts
}

// spelledOut is the regex that matches what a pattern does.
func spelledOut(pattern string) string {
	scheme, rest, _ := strings.Cut(pattern, "://")
	if rest == "*" {
		return scheme + `://[^/:]+`
	}
	rest, anyPort := strings.CutSuffix(rest, ":*")
	host := regexp.QuoteMeta(rest)
	if below, whole := strings.CutPrefix(host, `\*\.`); whole {
		host = `([a-z0-9_-]+\.)+` + below
	}
	host = strings.Replace(host, `\*`, `[a-z0-9-]+`, 1)
	if anyPort {
		host += `(:\d+)?`
	}
	return "^" + scheme + "://" + host + "$"
}

// What a regex does with public suffixes is judged as if it were written as a
// pattern.
func TestARegexIsJudgedAsThePatternThatItSpellsOut(t *testing.T) {
	verdicts := map[string]int{}
	check := func(pattern string, credentials bool) {
		t.Helper()
		const file = "policies: [{name: a, dangerously: [origin-regex, any-origin-with-credentials, insecure-origins], cors: {allowCredentials: %t, %s: ['%s']}}]"
		want := suffixVerdict(loadText(fmt.Sprintf(file, credentials, "allowOrigins", pattern)))
		got := suffixVerdict(loadText(fmt.Sprintf(file, credentials, "allowOriginRegexes", spelledOut(pattern))))
		verdicts[want]++
		if got != want {
			t.Errorf("%s, credentials %t: the regex has %q, the pattern %q", pattern, credentials, got, want)
		}
	}
	for _, host := range starredHosts() {
		for _, pattern := range []string{"https://%s", "https://*.%s", "https://app-*.%s", "https://*-app.%s:*", "http://app-*-team.%s:8080", "https://app.%s:*"} {
			check(fmt.Sprintf(pattern, host), true)
			check(fmt.Sprintf(pattern, host), false)
		}
	}
	check("https://*", true)
	if verdicts[""] < 200 || verdicts["error"] < 200 || verdicts["warning"] < 200 {
		t.Errorf("got the verdicts %v", verdicts)
	}
}

// suffixVerdict returns the level of the finding about a public suffix; empty
// if there is none.
func suffixVerdict(r Result) string {
	for _, d := range r.Diagnostics {
		if d.Code == "public-suffix" {
			return d.Level.String()
		}
	}
	return ""
}

func TestARegexHasOneFindingOfWhatItAccepts(t *testing.T) {
	for _, tt := range []struct {
		expr, optIns, want string
		credentials        bool
	}{
		{`https://.*\.vercel\.app`, "", "warning [public-suffix]", false},
		{`https://.*\.vercel\.app`, "", "error [public-suffix]", true},
		{`https://.*\.vercel\.app`, ", public-suffix", "", true},
		{`https://.*example\.com`, "", "warning [public-suffix]", false},
		{`https://.*example\.com`, "", "error [public-suffix]", true},
		{`https://.*example\.com`, ", public-suffix", "warning [regex-hostile]", true},
		{`https://app.example\.com`, "", "warning [public-suffix]", false},
		{`https://app.example\.com`, "", "error [public-suffix]", true},
		{`https://[^/]+`, "", "warning [regex-hostile]", true},
		{`https://.*\.example\.com`, ", public-suffix", "warning [opt-in-unused]", true},
		{`https://.*\.example\.com`, "", "", true},
		{`https://` + strings.Repeat(`(ab|cd)`, 30) + `\.vercel\.app`, "", "warning [regex-too-big]", true},
		{listed(3000, `https://a%d\.example\.com`), "", "warning [regex-too-big]", true},
		{listed(maxWork/20, `https://a%05d\.example\.com`), "", "warning [regex-too-big]", true},
	} {
		optIns := "origin-regex" + tt.optIns
		if tt.credentials {
			optIns += ", any-origin-with-credentials"
		}
		var got []string
		for _, d := range loadText(fmt.Sprintf("policies: [{name: a, dangerously: [%s], cors: {allowCredentials: %t, allowOriginRegexes: ['%s']}}]", optIns, tt.credentials, tt.expr)).Diagnostics {
			got = append(got, fmt.Sprintf("%s [%s]", d.Level, d.Code))
		}
		if strings.Join(got, ", ") != tt.want {
			t.Errorf("%s, credentials %t%s: got %q, want %q", tt.expr, tt.credentials, tt.optIns, got, tt.want)
		}
	}
}
