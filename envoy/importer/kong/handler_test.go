package kong_test

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy"
)

// conf is the part of a plugin's config that is about origins.
type conf struct {
	Origins     []string `json:"origins,omitempty"`
	Credentials bool     `json:"credentials"`
}

// parsed is what LuaSocket's url.parse makes of a text.
type parsed struct{ scheme, host, port string }

var (
	luaScheme    = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9+.-]*):`)
	luaAuthority = regexp.MustCompile(`^//([^/?]*)`)
	luaPort      = regexp.MustCompile(`:([^:\]]*)$`)
)

func parse(text string) (p parsed) {
	if m := luaScheme.FindStringSubmatch(text); m != nil {
		p.scheme, text = m[1], text[len(m[0]):]
	}
	m := luaAuthority.FindStringSubmatch(text)
	if m == nil {
		return p
	}
	authority := m[1]
	if m := luaPort.FindStringSubmatch(authority); m != nil {
		p.port, authority = m[1], strings.TrimSuffix(authority, m[0])
	}
	p.host = authority
	return p
}

// normalized is the handler's normalize_origin.
func normalized(text string) (domain, host string) {
	p := parse(text)
	if p.host == "" {
		return text, text
	}
	if p.scheme == "http" && p.port == "80" || p.scheme == "https" && p.port == "443" {
		p.port = ""
	}
	if p.scheme != "" {
		domain = p.scheme + "://"
	}
	domain += p.host
	if p.port != "" {
		domain += ":" + p.port
	}
	return domain, p.host
}

// allowOrigin is the handler's configure_origin: the header's value, and whether it is "*".
func (c conf) allowOrigin(t *testing.T, origin string) (value string, all bool) {
	flat := regexp.MustCompile("^[A-Za-z0-9.:/-]+$")
	switch {
	case len(c.Origins) == 0, len(c.Origins) == 1 && c.Origins[0] == "*":
		return "*", true
	case len(c.Origins) == 1 && flat.MatchString(c.Origins[0]):
		return c.Origins[0], false
	case slices.Contains(c.Origins, "*"):
		return "*", true
	}
	domain, host := normalized(origin)
	for _, entry := range c.Origins {
		if flat.MatchString(entry) {
			if d, _ := normalized(entry); d == domain {
				return domain, false
			}
			continue
		}
		if !strings.HasSuffix(entry, "$") {
			entry += "$"
		}
		entry = strings.TrimPrefix(entry, "^")
		subject := domain
		if !strings.Contains(entry, ":") {
			subject = host
		}
		re, err := regexp.Compile(`\A(?:` + entry + `)`)
		if err != nil {
			t.Fatal(err)
		}
		if re.MatchString(subject) {
			return domain, false
		}
	}
	return "", false
}

// shares tells what a page of an origin gets by the handler: configure_origin,
// configure_credentials, and the browser's CORS check (Fetch, #concept-cors-check).
func (c conf) shares(t *testing.T, origin string) (plain, credentials bool) {
	value, all := c.allowOrigin(t, origin)
	if all && c.Credentials {
		value = origin
	}
	plain = value == "*" || value == origin
	return plain, c.Credentials && value == origin
}

// TestHandler compares what pages get by Kong's handler (kong/plugins/cors/handler.lua, as
// of 3.10) with what they get by the imported policy. The report has to tell of what is
// narrower.
func TestHandler(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 19))
	entries := []string{
		"*", "null", "https://a.example", "https://a.example/", "https://a.example:443", "http://a.example:80/x", "https://A.example", "a.example", "a.example:8443", "localhost", "http://localhost:3000",
		"https://*.a.example", ".*a.example", `.*\.a\.example`, `^https://.*\.a\.example$`, `https://[a-z]+\.a\.example`, `https?://(b|c)\.example(:\d+)?`, `b\.example|c\.example`, `^(b|c)\.example`,
		`https://b\.example|https://c\.example`, `b_c.example`, ".*", "^.*$", `.+`, "https://.*", `[^.]+\.a\.example`, `localhost[^a]+`, `b\.example$|^c\.example$`,
	}
	origins := []string{
		"https://a.example", "http://a.example", "https://www.a.example", "https://x.www.a.example", "https://xa.example", "https://a.example:8443", "https://a.example.evil.test", "https://b.example", "http://b.example:3000",
		"https://c.example", "https://c.example.evil.test", "https://cc.example", "http://localhost:3000", "http://localhost", "https://b_c.example", "capacitor://a.example", "null", "https://evil.test", "https://b.example.evil.test:8443",
	}
	granted := 0
	for range 400 {
		c := conf{Credentials: r.IntN(2) == 0}
		for range r.IntN(4) {
			c.Origins = append(c.Origins, entries[r.IntN(len(entries))])
		}
		result, set := imported(t, c)
		for _, origin := range origins {
			plain, credentials := c.shares(t, origin)
			d := set.Decide(&policy.Request{Method: "GET", Authority: "any.test", Path: "/", Origin: origin})
			isPlain := d.Reason == policy.ReasonRequestAllowed
			isCredentials := false
			for _, h := range d.Answer.Headers {
				isCredentials = isCredentials || h.Name == "access-control-allow-credentials"
			}
			if plain {
				granted++
			}
			switch {
			case plain == isPlain && credentials == isCredentials:
			case isPlain && !plain, isCredentials && !credentials:
				t.Errorf("%+v allows %s more than Kong does\n%s%s", c, origin, result.Text(), result.Report())
			case !c.tells(t, result, origin):
				t.Errorf("%+v allows %s less than Kong does, and the report does not tell\n%s%s", c, origin, result.Text(), result.Report())
			}
		}
	}
	if granted < 500 {
		t.Error("hardly anybody was granted anything: nothing was compared")
	}
}

func imported(t *testing.T, c conf) (importer.Result, *policy.Set) {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	configs, err := importer.Read("kong", []source.File{{Path: "kong.json", Text: []byte(`{"_format_version": "3.0", "plugins": [{"name": "cors", "config": ` + string(config) + `}]}`)}})
	if err != nil {
		t.Fatal(err)
	}
	result := importer.Translate(importer.Options{}, configs...)
	valid, problems := policy.Validate(result.Policies)
	if valid == nil {
		t.Fatal(problems)
	}
	return result, policy.Compile(valid)
}

// tells reports whether the report tells that an entry that allows the origin is narrowed, or
// that somebody decides about it.
func (c conf) tells(t *testing.T, result importer.Result, origin string) bool {
	return slices.ContainsFunc(result.Findings, func(f source.Finding) bool {
		if f.Field != "allowOrigins" || f.Fidelity != source.Narrowed && f.Fidelity != source.Decide {
			return false
		}
		entry, _ := conf{Origins: []string{f.Value, "nobody.example"}, Credentials: c.Credentials}.shares(t, origin)
		return entry
	})
}
