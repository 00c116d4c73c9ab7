package policy

import (
	"strings"
	"testing"
)

// TestPublishedListsLoad has the lists of methods and headers that well-known
// frameworks, gateways and tutorials come with: nothing of them is an error.
func TestPublishedListsLoad(t *testing.T) {
	for _, tt := range []struct{ source, methods, headers, exposed string }{
		{"django-cors-headers", "DELETE GET OPTIONS PATCH POST PUT",
			"accept accept-encoding authorization content-type dnt origin user-agent x-csrftoken x-requested-with", ""},
		{"django-cors-headers 4", "DELETE GET OPTIONS PATCH POST PUT", "accept authorization content-type user-agent x-csrftoken x-requested-with", ""},
		{"rs/cors", "GET POST HEAD", "accept content-type x-requested-with", ""},
		{"rs/cors, all", "HEAD GET POST PUT PATCH DELETE", "*", ""},
		{"Spring Framework", "GET HEAD POST", "*", ""},
		{"Spring Security", "GET POST PUT PATCH DELETE OPTIONS", "Authorization Cache-Control Content-Type", "Authorization"},
		{"Express cors", "GET HEAD PUT PATCH POST DELETE", "Content-Type Authorization", "Content-Range X-Content-Range"},
		{"Express without a package", "GET POST OPTIONS PUT PATCH DELETE", "Origin X-Requested-With Content-Type Accept", ""},
		{"enable-cors.org for nginx", "GET POST OPTIONS", "DNT User-Agent X-Requested-With If-Modified-Since Cache-Control Content-Type Range", "Content-Length Content-Range"},
		{"enable-cors.org for Apache and IIS", "GET POST OPTIONS", "Origin X-Requested-With Content-Type Accept", ""},
		{"a tutorial that grants all that browsers send", "GET POST OPTIONS",
			"Origin X-Requested-With Content-Type Accept Accept-Encoding Content-Length Referer Cache-Control Connection Host Cookie", ""},
		{"a tutorial that takes response headers for request headers", "GET POST OPTIONS PUT DELETE",
			"Access-Control-Allow-Headers Access-Control-Allow-Origin Origin Accept X-Requested-With Content-Type Access-Control-Request-Method Access-Control-Request-Headers", ""},
		{"Istio", "POST GET", "X-Foo-Bar", ""},
		{"Gateway API", "GET PUT POST DELETE PATCH OPTIONS",
			"DNT X-CustomHeader Keep-Alive User-Agent X-Requested-With If-Modified-Since Cache-Control Content-Type Authorization", "Content-Security-Policy Content-Encoding"},
		{"Envoy's gRPC-Web", "GET PUT DELETE POST OPTIONS",
			"keep-alive user-agent cache-control content-type content-transfer-encoding custom-header-1 x-accept-content-transfer-encoding x-accept-response-streaming x-user-agent x-grpc-web grpc-timeout",
			"custom-header-1 grpc-status grpc-message"},
		{"AWS API Gateway", "DELETE GET HEAD OPTIONS PATCH POST PUT", "Content-Type X-Amz-Date Authorization X-Api-Key X-Amz-Security-Token", ""},
		{"Kong", "GET HEAD PUT PATCH POST DELETE OPTIONS TRACE CONNECT", "Accept Accept-Version Content-Length Content-MD5 Content-Type Date X-Auth-Token", "X-Auth-Token"},
		{"Traefik", "GET OPTIONS PUT", "*", ""},
		{"ingress-nginx", "GET PUT POST DELETE PATCH OPTIONS",
			"DNT Keep-Alive User-Agent X-Requested-With If-Modified-Since Cache-Control Content-Type Range Authorization", ""},
		{"Rack::Cors", "GET POST PUT PATCH DELETE OPTIONS HEAD", "*", ""},
		{"Flask-CORS", "GET HEAD POST OPTIONS PUT PATCH DELETE", "*", ""},
		{"Laravel", "*", "*", ""},
		{"Laravel with Sanctum", "*", "X-XSRF-TOKEN X-Requested-With Content-Type Accept Authorization", ""},
	} {
		t.Run(tt.source, func(t *testing.T) {
			s := change(func(s *Spec) {
				s.CORS.AllowMethods, s.CORS.AllowHeaders, s.CORS.ExposeHeaders = strings.Fields(tt.methods), strings.Fields(tt.headers), strings.Fields(tt.exposed)
			})
			set := mustCompile(t, s)
			// They are granted as written, whatever the request lists.
			d := set.Decide(&Request{Method: "OPTIONS", Authority: "a.test", Path: "/", Origin: s.CORS.AllowOrigins[0], RequestMethod: "POST", RequestHeaders: "origin"})
			granted := d.Value(headerOf(t, d.Answer, headerAllowHeaders))
			if want := strings.ToLower(strings.Join(s.CORS.AllowHeaders, ", ")); granted != want {
				t.Errorf("%s: granted %q, want %q", d.Reason, granted, want)
			}
		})
	}
}

// headerOf returns the header of that name.
func headerOf(t *testing.T, a *Answer, name string) Header {
	t.Helper()
	for _, h := range a.Headers {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("no %s in %+v", name, a)
	return Header{}
}
