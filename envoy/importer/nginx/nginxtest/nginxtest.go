// Package nginxtest starts an nginx for a test.
package nginxtest

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/importer/importertest"
)

// headersMore is where Debian has the module headers-more.
const headersMore = "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so"

// Missing skips a test if there is no nginx with the module headers-more, and fails it if
// CI=true.
func Missing(t testing.TB) {
	t.Helper()
	_, err := exec.LookPath("nginx")
	if err == nil {
		if _, err = os.Stat(headersMore); err == nil {
			return
		}
	}
	const advice = "no nginx on the PATH: install Debian's nginx and libnginx-mod-http-headers-more-filter"
	if os.Getenv("CI") == "true" {
		t.Fatal(advice)
	}
	t.Skip(advice)
}

// files are in the folder that ROOT stands for.
var files = []string{"index.html", "docs/index.html", "docs/in/index.html", "docs/a.json", "api/a.json"}

// Authorization is what the user in ROOT/users sends.
const Authorization = "Basic dTpw"

const users = "u:{PLAIN}p\n"

// Start starts an nginx whose http block is text, and ends it with the test. In the text,
// LISTEN stands for where a server has to listen, UPSTREAM for an upstream that answers every
// request with 200 and no CORS headers, and ROOT for a folder with the files and users.
func Start(t testing.TB, text string) importertest.Send {
	t.Helper()
	send, _ := StartBoth(t, text)
	return send
}

// StartBoth is Start for servers that listen at two addresses: LISTEN and OTHER.
func StartBoth(t testing.TB, text string) (listen, other importertest.Send) {
	t.Helper()
	Missing(t)
	folder, err := os.MkdirTemp("", "nginx") // short, for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	socket := filepath.Join(folder, "s")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Total", "1") }))
	t.Cleanup(upstream.Close)

	root := filepath.Join(folder, "html")
	replace := strings.NewReplacer("LISTEN", "unix:"+socket, "OTHER", "unix:"+socket+"2", "UPSTREAM", upstream.URL, "ROOT", root)
	conf := filepath.Join(folder, "nginx.conf")
	write(t, conf, configuration(folder, replace.Replace(text)))
	for _, name := range files {
		write(t, filepath.Join(root, name), name)
	}
	write(t, filepath.Join(root, "users"), users)

	listen = importertest.Serve(t, exec.Command("nginx", "-p", folder, "-e", "stderr", "-c", conf), socket)
	for strings.Contains(text, "OTHER") {
		if c, err := net.Dial("unix", socket+"2"); err == nil {
			c.Close()
			break
		}
		time.Sleep(time.Millisecond)
	}
	return listen, importertest.Dial(t, socket+"2")
}

// configuration is an nginx.conf around an http block, which writes below the folder only.
func configuration(folder, text string) string {
	var b strings.Builder
	b.WriteString("load_module " + headersMore + ";\ndaemon off;\nmaster_process off;\npid " + folder + "/pid;\nerror_log stderr error;\nevents {}\nhttp {\naccess_log off;\n")
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		b.WriteString(temp + "_temp_path " + folder + "/" + temp + ";\n")
	}
	return b.String() + text + "\n}\n"
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}
