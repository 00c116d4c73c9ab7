package nginx

import (
	"slices"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// site asks the questions about one location.
type site struct {
	conf             *config
	server, location *location
	findings         *findings
	// fails is an error_page that takes effect, or nil.
	fails *directive
	// isLocal says that nginx answers each request by itself, with nothing about CORS.
	isLocal bool
}

// page asks what a browser asks on behalf of the pages of an origin.
type page struct {
	*site
	origin string
	choose func(condition) bool
	asked  map[string]exchange // :: method, or anyMethod if nothing depends on it
}

const anyMethod = "*"

// exchange is one request and what nginx does with it.
type exchange struct {
	*machine
	found []header
}

func (p page) ask(method string) exchange {
	for _, key := range []string{method, anyMethod} {
		if x, known := p.asked[key]; known {
			return x
		}
	}
	x := p.send(request{origin: p.origin, method: method, fails: p.fails})
	if !x.readsMethod {
		method = anyMethod
	}
	p.asked[method] = x
	return x
}

func (p page) preflight() exchange {
	return p.send(request{origin: p.origin, method: "OPTIONS", preflight: true, fails: p.fails})
}

func (p page) send(r request) exchange {
	m := &machine{conf: p.conf, request: r, choose: p.choose}
	m.run(p.server, p.location)
	return exchange{machine: m, found: m.headers()}
}

func (x exchange) get(name string) []header {
	return slices.DeleteFunc(slices.Clone(x.found), func(h header) bool { return h.name != name })
}

// refused reports whether nginx refuses the request by itself. What fails does not, nor what a
// gate refuses, whatever the origin is.
func (x exchange) refused() bool {
	return x.refusal() != nil && x.status/100 == 4 && !x.refusal().isGate()
}

// refusal is what answers instead of the files or the upstream.
func (x exchange) refusal() *directive {
	if x.stopped != nil {
		return x.stopped
	}
	return x.ended
}

// isEnded reports whether nginx answers by itself.
func (x exchange) isEnded() bool {
	return x.stopped != nil || x.ended != nil && x.status >= 300
}

// isOK reports whether a preflight with that answer succeeds.
func (x exchange) isOK() bool { return x.status == 0 || x.status/100 == 2 }

// place is where the answer's Access-Control-Allow-Origin stands.
func (x exchange) place() source.Place {
	if h := x.get(allowOrigin); len(h) > 0 {
		return h[0].Place
	}
	return source.Place{}
}
