// Package cases reads and runs decision cases: what a client sends, what
// the upstream answers, and what must come back. One format serves the tests of
// package policy, of the gRPC services, and of a real Envoy.
//
// A case file is YAML, read strictly:
//
//	about: what the file is about
//	static: true                 # false: its hosts must go without corsgate.static
//	partial: false               # true: what a want does not name is not compared
//	policies: {policies: [...]}  # a whole policy file
//	groups: {tenants.txt: "..."} # the text files that it names
//	cases:
//	- name: a sentence
//	  why: where the rule stands
//	  request: {method: GET, host: api.example.com, path: /, headers: {origin: https://app.example.com}}
//	  policy: api                # the policy that Envoy names
//	  upstream: {status: 200, headers: {vary: [Accept, Cookie]}}
//	  want:
//	    policy: api
//	    reason: request_allowed
//	    shadow: {policy: next, reason: request_origin_denied, differs: true}
//	    forwarded: true          # default: true, unless there is a status
//	    status: 200              # default: the upstream's
//	    headers: {access-control-allow-origin: https://app.example.com, vary: Origin}
//	  except:
//	    one-trip: {because: "what Envoy does otherwise", want: {...}}
//	  only: [decide]             # where else it cannot run
//	  because: "why it cannot"
//	load:
//	- name: a sentence
//	  why: where the rule stands
//	  policies: {policies: [...]}
//	  groups: {tenants.txt: "..."}
//	  want: [origin-trailing-slash]  # for each error its code or a part of its text; [] when it loads
//	  warnings: [origin-redundant]   # warnings and notes that must be among those given
//
// "about" and "why" may be left out. Without "policies" the cases are about
// policies that stand elsewhere.
//
// Header names are in lower case. A header value is a text of which each
// character is one byte (ISO-8859-1), a !!binary, a long text written as
// {before: "a", repeat: "b", times: 100, after: "c"}, or a list of these:
// several lines. The wanted headers are all Access-Control-*, Vary and
// x-corsgate-reason headers that the client gets.
package cases
