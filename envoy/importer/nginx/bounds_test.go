package nginx_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// told returns how many findings say a text.
func told(t *testing.T, conf, text string) (n int) {
	t.Helper()
	config, err := nginx.Read([]source.File{{Path: "nginx.conf", Text: []byte(conf)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Findings {
		n += strings.Count(f.Message, text)
	}
	for _, route := range config.Routes {
		for _, f := range route.Findings {
			n += strings.Count(f.Message, text)
		}
	}
	return n
}

func TestLongValue(t *testing.T) {
	conf := "location / { set $a abcdefgh;" + strings.Repeat(` set $a "$a$a";`, 60) + " add_header Access-Control-Allow-Origin $a; }"
	if told(t, conf, "the header is longer than 16384 bytes") != 1 {
		t.Error("a value that is too long is not told")
	}
}

func TestMapsWithinMaps(t *testing.T) {
	var b strings.Builder
	for i := range 29 {
		fmt.Fprintf(&b, "map $x $m%d { volatile; default \"$m%d$m%d\"; }\n", i, i+1, i+1)
	}
	b.WriteString("map $x $m29 { volatile; default \"\"; }\nadd_header Access-Control-Allow-Origin $m0;\n")
	if told(t, b.String(), "takes too long to follow") != 1 {
		t.Error("maps that double each other are not told")
	}
}

// TestManyConditions has more ways through each location than are followed in all of them, and
// a second file.
func TestManyConditions(t *testing.T) {
	var b strings.Builder
	for i := range 60 {
		fmt.Fprintf(&b, "location /%d {\n", i)
		for k := range 13 {
			fmt.Fprintf(&b, "if ($http_origin ~ ^https://%d-%d\\.example$) { add_header Access-Control-Allow-Origin $http_origin; }\n", i, k)
		}
		b.WriteString("}\n")
	}
	config, err := nginx.Read([]source.File{{Path: "a.conf", Text: []byte(b.String())}, {Path: "b.conf", Text: []byte(b.String())}})
	if err != nil {
		t.Fatal(err)
	}
	n, read := 0, 0
	for _, route := range config.Routes {
		if route.CORS != nil {
			read++
		}
		for _, f := range route.Findings {
			n += strings.Count(f.Message, "takes too long to follow")
		}
	}
	if n != 1 || read == 0 || read == 120 {
		t.Errorf("told %d times, and %d locations are read", n, read)
	}
}

// TestManyOrigins has too many origins to ask for each of them in each location.
func TestManyOrigins(t *testing.T) {
	var b strings.Builder
	b.WriteString("map $http_origin $cors {\n")
	for i := range 2000 {
		fmt.Fprintf(&b, "https://%d.example $http_origin;\n", i)
	}
	b.WriteString("}\nadd_header Access-Control-Allow-Origin $cors;\n")
	for i := range 100 {
		fmt.Fprintf(&b, "location /%d { proxy_pass http://app; }\n", i)
	}
	b.WriteString("location /other { add_header Access-Control-Allow-Origin $http_origin; }\n")
	for i := range 100 {
		fmt.Fprintf(&b, "location /other/%d { add_header Access-Control-Allow-Origin $cors; }\n", i)
	}
	config, err := nginx.Read([]source.File{{Path: "nginx.conf", Text: []byte(b.String())}})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, route := range config.Routes {
		if route.CORS != nil && len(route.CORS.Origins) == 2000 {
			read++
		}
	}
	if told(t, b.String(), "takes too long to follow") != 0 || read != 101 {
		t.Errorf("the configuration is not followed to its end: %d locations have all origins", read)
	}
}

// TestManyTargets has rewrites that may lead anywhere.
func TestManyTargets(t *testing.T) {
	var b strings.Builder
	for i := range 400 {
		fmt.Fprintf(&b, "location /%d { rewrite ^ /$arg_x last; add_header Access-Control-Allow-Origin https://%d.example; }\n", i, i)
		fmt.Fprintf(&b, "location ~ %d(x|y) { add_header Access-Control-Allow-Origin $http_origin; }\n", i)
	}
	if told(t, b.String(), "takes too long to follow") != 1 {
		t.Error("rewrites that may lead anywhere are not told")
	}
}
