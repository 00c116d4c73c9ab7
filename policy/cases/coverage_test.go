package cases

import (
	"fmt"
	"testing"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
)

func TestCoverage(t *testing.T) {
	specs := []policy.Spec{
		{Name: "one", Hosts: []string{"one.test"}, CORS: policy.CORS{
			AllowOrigins:       []string{"https://a.example", "https://*.b.example", "http://localhost:*", "null"},
			AllowOriginRegexes: []string{`https://pr-\d+\.c\.example`, `https://x\.c\.example|file://`},
			AllowMethods:       []string{"PUT", "*"}, AllowHeaders: []string{"x-a", "*"},
		}, Dangerously: []policy.OptIn{policy.OptInOriginRegex, policy.OptInNullOrigin}},
		{Name: "public", Hosts: []string{"public.test"}, CORS: policy.CORS{AllowOrigins: []string{"*"}}},
		{Name: "next", Hosts: []string{"one.test"}, Mode: policy.ModeShadow, CORS: policy.CORS{AllowOrigins: []string{"https://a.example"}}},
	}
	preflight := func(origin, method, headers string) policy.Request {
		return policy.Request{Method: "OPTIONS", Authority: "one.test", Origin: origin, RequestMethod: method, RequestHeaders: headers}
	}
	whole := []Unexercised{{Policy: "one"}, {Policy: "public"}, {Policy: "next"}}
	for _, test := range []struct {
		name     string
		requests []policy.Request
		want     []Unexercised
	}{
		{"without a case nothing is exercised", nil, whole},
		{"a host without a policy exercises none", []policy.Request{{Method: "GET", Authority: "two.test", Origin: "https://a.example"}}, whole},
		{"a public policy is exercised by any origin", []policy.Request{{Method: "GET", Authority: "public.test", Origin: "https://z.example"}},
			[]Unexercised{{Policy: "one"}, {Policy: "next"}}},
		{"a request without an origin exercises the policy alone", []policy.Request{{Method: "GET", Authority: "public.test"}},
			[]Unexercised{{Policy: "one"}, {Policy: "public", Field: "cors.allowOrigins", Values: []string{"*"}, Count: 1}, {Policy: "next"}}},
		{"an entry is exercised by what it matches, a star by what is not listed", []policy.Request{
			preflight("https://x.b.example", "PUT", "X-A , ,"), preflight("https://pr-7.c.example", "GET", ""), preflight("file://", "GET", ""),
		}, []Unexercised{
			{Policy: "one", Field: "cors.allowOrigins", Values: []string{"https://a.example", "http://localhost:*", "null"}, Count: 3},
			{Policy: "one", Field: "cors.allowOriginRegexes", Values: []string{`https://x\.c\.example|file://`}, Count: 1},
			{Policy: "one", Field: "cors.allowMethods", Values: []string{"*"}, Count: 1},
			{Policy: "one", Field: "cors.allowHeaders", Values: []string{"*"}, Count: 1},
			{Policy: "public"},
			{Policy: "next", Field: "cors.allowOrigins", Values: []string{"https://a.example"}, Count: 1},
		}},
		{"a request exercises its method, without a preflight too", []policy.Request{
			{Method: "PUT", Authority: "one.test", Origin: "https://a.example"}, {Method: "PATCH", Authority: "one.test"},
		}, []Unexercised{
			{Policy: "one", Field: "cors.allowOrigins", Values: []string{"https://*.b.example", "http://localhost:*", "null"}, Count: 3},
			{Policy: "one", Field: "cors.allowOriginRegexes", Values: []string{`https://pr-\d+\.c\.example`, `https://x\.c\.example|file://`}, Count: 2},
			{Policy: "one", Field: "cors.allowMethods", Values: []string{"*"}, Count: 1},
			{Policy: "one", Field: "cors.allowHeaders", Values: []string{"x-a", "*"}, Count: 2},
			{Policy: "public"},
		}},
		{"all of it", []policy.Request{
			preflight("https://a.example", "PUT", "x-a"), preflight("https://x.b.example", "PATCH", "x-b"), preflight("null", "GET", ""),
			preflight("http://localhost:3000", "GET", ""), preflight("https://pr-7.c.example", "GET", ""), preflight("https://x.c.example", "GET", ""),
			{Method: "GET", Authority: "public.test", Origin: "https://z.example"},
		}, []Unexercised{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := policytest.Compile(t, specs...)
			c := NewCoverage(set)
			for _, r := range test.requests {
				c.Add(r, set.Decide(&r))
			}
			same(t, "unexercised", c.Unexercised(), test.want)
		})
	}
}

func TestCoverageOfManyOriginsIsBounded(t *testing.T) {
	s := policy.Spec{Name: "one"}
	for i := range 1000 {
		s.CORS.AllowOrigins = append(s.CORS.AllowOrigins, fmt.Sprintf("https://a%d.example", i))
	}
	c := NewCoverage(policytest.Compile(t, s))
	c.add(policy.Request{Origin: "https://a7.example"}, false, "one")
	got := c.Unexercised()
	if len(got) != 1 || got[0].Count != 999 || len(got[0].Values) != MaxUnexercised {
		t.Errorf("%+v", got)
	}
}
