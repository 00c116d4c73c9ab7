package nginx_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// FuzzRead is for configurations and parts of them of any kind.
func FuzzRead(f *testing.F) {
	f.Add("map $http_origin $a { default \"\"; ~^https://(?<x>.*)$ $x; }\nadd_header Access-Control-Allow-Origin $a;")
	f.Add("server { server_name ~^a$ .b; location ~* /x { if ($http_origin ~ (a|b) ) { set $c \"${c}o\"; } more_set_headers 'Access-Control-Allow-Origin: $c'; } }")
	f.Add("include nginx.conf;")
	f.Add("if ();")
	f.Add("error_page 418 = @cors; if ($request_method = OPTIONS) { return 418; } location @cors { add_header Access-Control-Allow-Origin $1; return 204; }")
	f.Add("server { rewrite ^/a /b$1; error_page 404 =200 $uri/x; location / { index a /b; try_files $uri $uri/ @c; } location ~* ^/b(.*)c$ { try_files $uri =404; location = /bc { return 418; } } location @c { rewrite ^ $uri last; } }")
	f.Add("server { listen [::1]; server_name *.a; } server { listen 8443; server_name b.a; more_set_headers -s '404 x' -t -r -a 'Access-Control-Allow-Origin: *'; more_clear_headers -s; }")
	f.Add("error_page 404 @files; location @files { add_header Access-Control-Allow-Origin *; }")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = nginx.Read([]source.File{{Path: "nginx.conf", Text: []byte(text)}})
	})
}
