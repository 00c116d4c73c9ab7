package nginx_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/nginx"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// TestFindsNone has includes of files that are not in the input: nginx has none either if the
// input has all of the folder.
func TestFindsNone(t *testing.T) {
	for _, c := range []struct {
		folder, file, include string
		isTold                bool
	}{
		{"", "nginx.conf", "conf.d/*.conf", true},
		{"", "/etc/nginx/nginx.conf", "/etc/nginx/conf.d/*.conf", true},
		{"copy", "copy/nginx.conf", "conf.d/*.conf", false},
		{"copy/", "copy/nginx.conf", "/etc/nginx/conf.d/*.conf", false},
		{"copy", "copy/etc/nginx/nginx.conf", "/usr/local/nginx/conf/vhosts/*/*.conf", false},
		{"copy", "copy/nginx.conf", "/etc/nginx/*.none", false},
		{"copy", "copy/nginx.conf", "conf.d/none.conf", true},
		{"copy", "copy/nginx.conf", "/srv/sites/*.conf", true},
		{"copy", "copy/nginx.conf", "/etc/nginx-sites/*.conf", true},
		{"copy", "copy/nginx.conf", "../sites/*.conf", true},
		{"copy", "copy/in/nginx.conf", "../sites/*.conf", false},
		{"copy", "copy/sites/a.conf", "conf.d/*.conf", true},
		{".", "nginx.conf", "conf.d/*.conf", false},
		{"..", "../nginx.conf", "conf.d/*.conf", false},
		{"../copy", "../copy/nginx.conf", "../sites/*.conf", true},
		{"/etc/nginx", "/etc/nginx/nginx.conf", "/etc/nginx/conf.d/*.conf", false},
		{"/etc", "/etc/nginx/nginx.conf", "/etc/sites/*.conf", false},
		{"/srv/nginx", "/srv/nginx/nginx.conf", "/etc/nginx/conf.d/*.conf", true},
		{"", "nginx.conf", "/usr/share/nginx/modules/*.conf", false},
		{"", "nginx.conf", "fastcgi_params", false},
	} {
		text := "http { include " + c.include + "; server { server_name a.example.com; add_header Access-Control-Allow-Origin *; } }"
		if got := tellsMissing(t, source.File{Path: c.file, Folder: c.folder, Text: []byte(text)}); got != c.isTold {
			t.Errorf("%s in folder %q, include %s: told %v", c.file, c.folder, c.include, got)
		}
	}
	dump := "# configuration file /etc/nginx/nginx.conf:\nhttp { include /srv/sites/*.conf; add_header Access-Control-Allow-Origin *; }\n"
	if tellsMissing(t, source.File{Path: "stdin", Text: []byte(dump)}) {
		t.Error("nginx -T prints all files that there are")
	}
}

func tellsMissing(t *testing.T, f source.File) (told bool) {
	t.Helper()
	config, err := nginx.Read([]source.File{f})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Findings {
		told = told || f.Fidelity == source.Decide && strings.Contains(f.Message, "is not in the input")
	}
	return told
}
