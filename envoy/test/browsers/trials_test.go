package browsers

// trials are all of them, by what they are about.
var trials = concat(origins, methods, headers, exposed, credentials, redirects, statuses, httpCache, preflightCache,
	opaqueOrigins, otherMeans, strangers, debugging, others)

func concat(lists ...[]trial) (all []trial) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// reads is a trial with one GET that reads the answer.
func reads(name, page, policy string) trial {
	return trial{name: name, steps: []step{{on: page, do: "GET " + policy, want: "200"}}, record: record{"request_allowed", 1}}
}

// fails is a trial with one GET whose answer the page may not read, though the
// upstream gave it.
func fails(name, page, policy string) trial {
	return trial{name: name, steps: []step{{on: page, do: "GET " + policy, want: "blocked"}}, record: record{"request_origin_denied", 1}}
}

// An origin is scheme, host and port, compared as a whole (Fetch, section CORS check).
var origins = []trial{
	reads("an allowed origin", app, "list"),
	reads("another allowed origin", shop, "list"),
	reads("an allowed origin without TLS", plain, "list"),
	fails("an unknown origin", evil, "list"),
	fails("an unknown origin of another site", "https://other.test", "list"),
	fails("the origin of a scheme that is not listed", "http://shop.corp.test", "list"),
	fails("the origin of a port that is not listed", "https://app.corp.test:8443", "list"),
	fails("the host with a dot at its end is another origin", "http://app.corp.test.", "list"),
	reads("any origin of a public policy", "https://other.test", "public"),
	reads("a subdomain", app, "subdomains"),
	reads("a subdomain of a subdomain", "https://a.b.corp.test", "subdomains"),
	fails("the domain of subdomains", "https://corp.test", "subdomains"),
	fails("a name that ends like the domain", "https://evilcorp.test", "subdomains"),
	fails("a name that begins like the domain", "https://app.corp.test.evil.test", "subdomains"),
	fails("a subdomain without TLS", plain, "subdomains"),
	reads("a label with a star", "https://app-7.preview.test", "labels"),
	fails("a label with nothing for the star", "https://app-.preview.test", "labels"),
	fails("more labels than the star stands for", "https://app-7.x.preview.test", "labels"),
	reads("any port", "http://localhost:3000", "ports"),
	reads("no port where any will do", "http://localhost", "ports"),
	fails("any port, but of this host only", "http://app.corp.test:3000", "ports"),
	reads("a listed port", "https://app.corp.test:8443", "odd-hosts"),
	fails("a listed host with another port", app, "odd-hosts"),
	reads("a host with letters that are not ASCII", "https://bücher.test", "odd-hosts"),
	reads("a host with an underscore", "https://my_app.corp.test", "odd-hosts"),
	reads("an address", "http://127.0.0.1:3000", "odd-hosts"),
	reads("any host with TLS", "https://other.test", "secure"),
	fails("any host with TLS, but not without", "http://other.test", "secure"),
	reads("a regular expression", shop, "regex"),
	fails("what a regular expression does not match", evil, "regex"),
}

// GET, HEAD and POST need no preflight, and six methods are upper-cased (Fetch, section Methods).
var methods = []trial{
	{
		name:   "PUT that is listed",
		steps:  []step{{on: app, do: "PUT list", body: "x", want: "200", sent: "method: PUT"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "PUT of an unknown origin is never sent",
		steps:  []step{{on: evil, do: "PUT list", want: "blocked", console: refused}},
		record: record{"preflight_origin_denied", 0},
	}, {
		name:   "PUT where no method is listed",
		steps:  []step{{on: app, do: "PUT minimal", want: "blocked", console: refused}},
		record: record{"preflight_method_denied", 0},
	}, {
		name: "GET, HEAD and POST need not be listed",
		steps: []step{
			{on: app, do: "GET minimal", want: "200"},
			{on: app, do: "HEAD minimal", want: "200"},
			{on: app, do: "POST minimal", body: "x", want: "200"},
		},
		record: record{"request_allowed request_allowed request_allowed", 3},
	}, {
		name:   "put is PUT, because browsers know it",
		steps:  []step{{on: app, do: "put list", want: "200", sent: "method: PUT"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "PATCH",
		steps:  []step{{on: app, do: "PATCH list", want: "200", sent: "method: PATCH"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "patch is not PATCH",
		steps:  []step{{on: app, do: "patch list", want: "blocked"}},
		record: record{"preflight_method_denied", 0},
	}, {
		name:   "patch where it is listed",
		steps:  []step{{on: app, do: "patch custom", want: "200", sent: "method: patch"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "a method that browsers do not know",
		steps:  []step{{on: app, do: "QUERY custom", body: "x", want: "200", sent: "method: QUERY"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "OPTIONS by a script has a preflight, and reaches the upstream",
		steps:  []step{{on: app, do: "OPTIONS list", want: "200", sent: "method: OPTIONS"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:  "TRACE is sent by no browser",
		steps: []step{{on: app, do: "TRACE stars", want: "refused"}},
	}, {
		name:   "any method",
		steps:  []step{{on: app, do: "FROBNICATE stars", want: "200", sent: "method: FROBNICATE"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "any method with credentials",
		steps:  []step{{on: app, do: "FROBNICATE stars-private", options: include, want: "200", sent: "method: FROBNICATE"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "a method of odd letters",
		steps:  []step{{on: app, do: "M-SEARCH stars-private", options: include, want: "200", sent: "method: M-SEARCH"}},
		record: record{"preflight_allowed request_allowed", 1},
	}, {
		name:   "any method, of an unknown origin",
		steps:  []step{{on: evil, do: "DELETE stars-private", options: include, want: "blocked"}},
		record: record{"preflight_origin_denied", 0},
	},
}
