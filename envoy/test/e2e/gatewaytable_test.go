package e2e

// The pieces of the conformance requests.
const (
	allowOrigin      = "access-control-allow-origin"
	allowMethods     = "access-control-allow-methods"
	allowHeaders     = "access-control-allow-headers"
	exposeHeaders    = "access-control-expose-headers"
	allowCredentials = "access-control-allow-credentials"
	maxAge           = "access-control-max-age"

	asksGet     = "access-control-request-method: GET"
	asksHeaders = "access-control-request-headers: x-header-1, x-header-2"
)

var (
	success    = []int{200, 204}
	anyOrder12 = []string{"x-header-1, x-header-2", "x-header-2, x-header-1"}
)

// allowedOne are the headers of an allowed preflight to /cors-1.
func allowedOne(origin string) map[string][]string {
	return map[string][]string{
		allowOrigin:      {origin},
		allowMethods:     {"GET, OPTIONS", "OPTIONS, GET"},
		allowHeaders:     anyOrder12,
		exposeHeaders:    {"x-header-3, x-header-4", "x-header-4, x-header-3"},
		maxAge:           {"3600"},
		allowCredentials: {"true"},
	}
}

var gatewayTests = []gatewayTest{
	{
		name: "1 preflight from an exact matching origin", do: "OPTIONS /cors-1", with: []string{"Origin: https://www.foo.com", asksGet, asksHeaders},
		statuses: success, valid: allowedOne("https://www.foo.com"), ignoreSpace: true,
	}, {
		name: "2 preflight from a wildcard matching origin", do: "OPTIONS /cors-1", with: []string{"Origin: https://www.bar.com", asksGet, asksHeaders},
		statuses: success, valid: allowedOne("https://www.bar.com"), ignoreSpace: true,
	}, {
		name: "3 preflight from a wildcard matching any number of periods", do: "OPTIONS /cors-1", with: []string{"Origin: https://xpto.www.bar.com", asksGet, asksHeaders},
		statuses: success, valid: allowedOne("https://xpto.www.bar.com"), ignoreSpace: true,
	}, {
		name: "4 preflight from a non-matching origin", do: "OPTIONS /cors-1", with: []string{"Origin: https://foobar.com", asksGet},
		statuses: []int{200, 204, 403}, absent: []string{allowOrigin},
	}, {
		name: "5 simple request from an exact matching origin", do: "GET /cors-1", with: []string{"Origin: https://www.foo.com", asksGet, asksHeaders},
		valid: map[string][]string{allowOrigin: {"https://www.foo.com"}},
	}, {
		name: "6 simple request from a wildcard matching origin", do: "GET /cors-1", with: []string{"Origin: https://www.bar.com", asksGet, asksHeaders},
		valid: map[string][]string{allowOrigin: {"https://www.bar.com"}},
	}, {
		name: "7 simple request from a non-matching origin", do: "GET /cors-1", with: []string{"Origin: https://foobar.com", asksGet},
		absent: []string{allowOrigin},
	}, {
		name: "8 preflight with POST where methods are a wildcard", do: "OPTIONS /cors-2", with: []string{"Origin: https://www.foo.com", "access-control-request-method: POST"},
		statuses: success, valid: map[string][]string{allowOrigin: {"https://www.foo.com"}, allowMethods: {"POST", "*"}}, absent: []string{allowCredentials},
	}, {
		name: "9 preflight without credentials", do: "OPTIONS /cors-2", with: []string{"Origin: https://www.foo.com", "access-control-request-method: POST"},
		statuses: success, absent: []string{allowCredentials},
	}, {
		name: "10 preflight to a wildcard origin", do: "OPTIONS /cors-wildcard-origin", with: []string{"Origin: https://foobar.com", asksPut},
		statuses: success, valid: map[string][]string{allowOrigin: {"https://foobar.com", "*"}, allowMethods: {"PUT"}}, absent: []string{allowCredentials},
	}, {
		name: "11 preflight with a port to a wildcard origin", do: "OPTIONS /cors-wildcard-origin", with: []string{"Origin: https://foobar.com:12345", asksPut},
		statuses: success, valid: map[string][]string{allowOrigin: {"https://foobar.com:12345", "*"}, allowMethods: {"PUT"}}, absent: []string{allowCredentials},
	}, {
		name: "12 request with a port to a wildcard origin", do: "PUT /cors-wildcard-origin", with: []string{"Origin: https://foobar.com:12345"},
		valid: map[string][]string{allowOrigin: {"https://foobar.com:12345", "*"}},
	}, {
		name: "13 request to a wildcard origin", do: "PUT /cors-wildcard-origin", with: []string{"Origin: https://foobar.com"},
		valid: map[string][]string{allowOrigin: {"https://foobar.com", "*"}}, absent: []string{allowCredentials},
	}, {
		name: "14 preflight where all is a wildcard, with credentials", do: "OPTIONS /cors-wildcard-methods-headers", with: []string{"Origin: https://other.foo.com", asksPut, asksHeaders},
		statuses: success, ignoreSpace: true, valid: map[string][]string{
			allowOrigin: {"https://other.foo.com"}, allowMethods: {"PUT"}, allowHeaders: anyOrder12, allowCredentials: {"true"}},
	}, {
		name: "15 preflight where all is a wildcard, without credentials", do: "OPTIONS /cors-wildcard-methods-headers-unauth", with: []string{"Origin: https://other.foo.com", asksPut, asksHeaders},
		statuses: success, ignoreSpace: true, valid: map[string][]string{
			allowOrigin: {"https://other.foo.com", "*"}, allowMethods: {"PUT", "*"}, allowHeaders: append([]string{"*"}, anyOrder12...)},
		absent: []string{allowCredentials},
	}, {
		name: "16 request where all is a wildcard, with credentials", do: "GET /cors-wildcard-methods-headers", with: []string{"Origin: https://other.foo.com"},
		valid: map[string][]string{allowOrigin: {"https://other.foo.com"}, allowCredentials: {"true"}},
	}, {
		name: "17 request where all is a wildcard, without credentials", do: "GET /cors-wildcard-methods-headers-unauth", with: []string{"Origin: https://other.foo.com"},
		valid: map[string][]string{allowOrigin: {"https://other.foo.com", "*"}}, absent: []string{allowCredentials},
	},
}
