package advice

import (
	"context"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/denied"
)

func advised(t *testing.T, specs ...policy.Spec) func(string, *policy.Request) denied.Advice {
	t.Helper()
	set := policytest.Compile(t, specs...)
	return From(func() *policy.Set { return set })
}

func TestAdvice(t *testing.T) {
	cors := policy.CORS{AllowOrigins: []string{"https://app.test", "https://*.shop.test"}, AllowMethods: []string{"PUT"}, AllowHeaders: []string{"x-ok"}}
	advise := advised(t,
		policy.Spec{Name: "api", Hosts: []string{"api.test"}, CORS: cors},
		policy.Spec{Name: "pages", CORS: policy.CORS{AllowOrigins: []string{"https://ours.github.io", "http://127.0.0.1:3000", "http://localhost:3000"}}},
		policy.Spec{Name: "regex", Hosts: []string{"r.test"}, CORS: policy.CORS{AllowOriginRegexes: []string{"https://(a|b)\\.test"}}, Dangerously: []policy.OptIn{policy.OptInOriginRegex}},
		policy.Spec{Name: "next", Hosts: []string{"api.test"}, Mode: policy.ModeShadow, CORS: cors})
	ask := func(method, headers string) *policy.Request {
		return &policy.Request{Method: "OPTIONS", Origin: "https://app.test", RequestMethod: method, RequestHeaders: headers}
	}
	for name, c := range map[string]struct {
		policy         string
		r              *policy.Request
		near, allow    string
		allowed, quiet bool
	}{
		"another scheme":             {policy: "api", r: &policy.Request{Method: "GET", Origin: "http://app.test"}, near: "https://app.test", allow: `allowOrigins: [..., "http://app.test"]`},
		"the apex of a star":         {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://shop.test"}, near: "https://*.shop.test", allow: `allowOrigins: [..., "https://shop.test"]`},
		"the same in shadow":         {policy: "next", r: &policy.Request{Method: "GET", Origin: "http://app.test"}, near: "https://app.test", allow: `allowOrigins: [..., "http://app.test"]`},
		"a preflight's origin":       {policy: "api", r: &policy.Request{Method: "OPTIONS", Origin: "http://app.test", RequestMethod: "GET"}, near: "https://app.test", allow: `allowOrigins: [..., "http://app.test"]`},
		"a method":                   {policy: "api", r: ask("DELETE", ""), near: "DELETE", allow: `allowMethods: [..., "DELETE"]`},
		"a method in lower case":     {policy: "api", r: ask("patch", ""), near: "patch", allow: `allowMethods: [..., "PATCH"], and let the page send PATCH`},
		"a header of answers":        {policy: "api", r: ask("GET", "access-control-allow-origin"), near: "access-control-allow-origin"},
		"that and another header":    {policy: "api", r: ask("GET", "access-control-allow-origin,x-new"), near: "x-new", allow: `allowHeaders: [..., "x-new"], and let the page not set access-control-allow-origin`},
		"a header":                   {policy: "api", r: ask("GET", "x-ok,x-new"), near: "x-new", allow: `allowHeaders: [..., "x-new"]`},
		"a sister":                   {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://stage.app.test"}, near: "https://app.test", allow: `allowOrigins: [..., "https://stage.app.test"]`},
		"a stranger":                 {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://stranger.example"}, near: ""},
		"a stranger's preflight":     {policy: "api", r: &policy.Request{Method: "OPTIONS", Origin: "https://stranger.example", RequestMethod: "DELETE"}, near: ""},
		"a name that ends alike":     {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://evilshop.test"}, near: "it is another domain"},
		"a name that begins alike":   {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://a.shop.test.evil.example"}, near: "it is another domain"},
		"a name that is misspelt":    {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://a.shpo.test"}, near: "spelled differently"},
		"a neighbour on a platform":  {policy: "pages", r: &policy.Request{Method: "GET", Origin: "https://theirs.github.io"}, near: "another host below github.io"},
		"another port of an address": {policy: "pages", r: &policy.Request{Method: "GET", Origin: "http://127.0.0.1:4000"}, near: "http://127.0.0.1:3000", allow: `allowOrigins: [..., "http://127.0.0.1:4000"]`},
		"another address":            {policy: "pages", r: &policy.Request{Method: "GET", Origin: "http://10.0.0.1:3000"}, near: ""},
		"an app, as anybody has":     {policy: "pages", r: &policy.Request{Method: "GET", Origin: "capacitor://localhost"}, near: "capacitor, not http"},
		"a regex":                    {policy: "regex", r: &policy.Request{Method: "GET", Origin: "https://c.test"}, near: "the expression does not match"},
		"what is allowed":            {policy: "api", r: &policy.Request{Method: "GET", Origin: "https://app.test"}, allowed: true},
		"what is allowed in shadow":  {policy: "next", r: ask("PUT", "x-ok"), allowed: true},
		"what is no origin":          {policy: "api", r: &policy.Request{Method: "GET", Origin: "app.test"}, near: "scheme"},
		"bytes":                      {policy: "api", r: &policy.Request{Method: "GET", Origin: "\xff\x00"}, quiet: true},
		"a policy that is gone":      {policy: "gone", r: &policy.Request{Method: "GET", Origin: "https://app.test"}, quiet: true},
		"no policy":                  {policy: "", r: &policy.Request{Method: "GET", Origin: "https://app.test"}, quiet: true},
	} {
		t.Run(name, func(t *testing.T) {
			a := advise(c.policy, c.r)
			if a.Allowed != c.allowed || a.Allow != c.allow || !c.quiet && !strings.Contains(a.Nearest, c.near) {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestThereIsNoAdviceBeforeTheFirstSet(t *testing.T) {
	advise := From(func() *policy.Set { return nil })
	if a := advise("api", &policy.Request{Origin: "https://app.test"}); a != (denied.Advice{}) {
		t.Errorf("%+v", a)
	}
}

// A path that may be read otherwise is not the origin's to be allowed.
func TestAnAmbiguousPathStaysListedThoughTheOriginIsAllowed(t *testing.T) {
	specs := []policy.Spec{
		{Name: "narrow", Hosts: []string{"a.test"}, Paths: []string{"/private"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}},
		{Name: "wide", Hosts: []string{"a.test"}, CORS: policy.CORS{AllowOrigins: []string{"*"}}},
	}
	set := policytest.Compile(t, specs...)
	tr := denied.Tracker{Advise: From(func() *policy.Set { return set })}
	r := get("a.test", "https://app.test")
	r.Path = "/private%2Fx"
	ask(&tr, set, r)
	list := tr.List()
	if len(list.Policies) != 1 || len(list.Policies[0].Origins) != 1 {
		t.Fatalf("%+v", list)
	}
	if o := list.Policies[0].Origins[0]; o.Reason != "path_ambiguous" || o.Allow != "" || !strings.Contains(o.Nearest, "explain names both policies") {
		t.Errorf("%+v", o)
	}
}

func TestAMalformedPreflightOfAnAllowedOriginIsListed(t *testing.T) {
	specs := []policy.Spec{{Name: "api", Hosts: []string{"api.test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}}}
	set := policytest.Compile(t, specs...)
	tr := denied.Tracker{Advise: From(func() *policy.Set { return set })}
	ask(&tr, set, preflight("api.test", "https://app.test", "no method", ""))
	list := tr.List()
	if len(list.Policies) != 1 || len(list.Policies[0].Origins) != 1 || list.Policies[0].Origins[0].Reason != "preflight_malformed" {
		t.Errorf("listed %+v", list)
	}
}

// Once there is a policy of the name, nothing is left to do.
func TestANameThatIsThereByNowIsLeftOut(t *testing.T) {
	set := compile(t, "api")
	serves := set
	tr := denied.Tracker{Advise: From(func() *policy.Set { return serves })}
	ask(&tr, set, policy.Request{Method: "GET", Policy: "gone", Origin: "https://app.test"})
	if list := tr.List(); len(list.Policies) != 1 || len(list.Policies[0].Origins) != 1 || !strings.Contains(list.Policies[0].Origins[0].Nearest, "no file has it") {
		t.Errorf("listed %+v", list)
	}
	serves = compile(t, "gone")
	if list := tr.List(); len(list.Policies) != 1 || len(list.Policies[0].Origins) != 0 {
		t.Errorf("listed %+v", list)
	}
}

// compile returns a set with a policy for the host name.test.
func compile(t testing.TB, name string) *policy.Set {
	t.Helper()
	return policytest.Compile(t, policy.Spec{Name: name, Hosts: []string{name + ".test"}, CORS: policy.CORS{AllowOrigins: []string{"https://app.test"}}})
}

// ask decides on r as a service does, and tells t of it.
func ask(t *denied.Tracker, set *policy.Set, r policy.Request) {
	d := set.Decide(&r)
	t.Observe(context.Background(), &r, &d)
}

func get(host, origin string) policy.Request {
	return policy.Request{Method: "GET", Authority: host, Path: "/", Origin: origin}
}

func preflight(host, origin, method, headers string) policy.Request {
	return policy.Request{Method: "OPTIONS", Authority: host, Path: "/", Origin: origin, RequestMethod: method, RequestHeaders: headers}
}
