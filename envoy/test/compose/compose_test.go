package compose

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corsgate/corsgate/envoy/test/envoytest"
	"github.com/corsgate/corsgate/server/servertest"
)

// root is the repository's.
const root = "../../.."

// The origins of the demo, and one that an edit allows.
const (
	allowedOrigin = "https://app.example.com"
	deniedOrigin  = "https://evil.example.net"
	newOrigin     = "https://new.example.org"
)

// stack is docker-compose.yml, up.
type stack struct {
	engine engine
	folder string // a copy of the repository
	envoy  string // HOST:PORT
	admin  string
	// gateways are those of the profile fleet, and profile what turns that on.
	gateways []string
	profile  []string
}

// TestCompose brings docker-compose.yml up as it stands, but for the ports on
// the host and the base images: once with an image that it builds, once with
// that of a release.
func TestCompose(t *testing.T) {
	e := startEngine(t)
	e.load(t, envoyStandIn(t))
	e.load(t, etcdStandIn(t))
	t.Run("an image that is built", func(t *testing.T) {
		s := newStack(t, e)
		e.load(t, goStandIn(t, s.folder))
		s.up(t, "--build")
		t.Run("the demo's requests are answered", s.answersRequests)
		t.Run("an edit on the host is live", s.takesEdits)
		t.Run("the container can do little", s.isConfined)
		t.Run("Envoy decides without corsgate", s.decidesAlone)
		s.down(t)
		t.Run("a fleet follows its store", func(t *testing.T) { followsItsStore(t, e) })
	})
	t.Run("the image of a release", func(t *testing.T) {
		s := newStack(t, e)
		s.loadRelease(t)
		s.up(t, "--no-build")
		t.Run("the demo's requests are answered", s.answersRequests)
		t.Run("the container can do little", s.isConfined)
		s.down(t)
	})
	sameConfig(t, e)
}

// newStack copies the repository for a stack.
func newStack(t *testing.T, e engine) *stack {
	t.Helper()
	s := &stack{engine: e, folder: t.TempDir()}
	s.copyRepository(t)
	return s
}

// copyRepository copies all but .git, so that the edit touches nothing, puts
// free ports into docker-compose.yml, and takes the digests off the base images,
// which no stand-in can have.
func (s *stack) copyRepository(t *testing.T) {
	t.Helper()
	source := os.DirFS(root)
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if name == ".git" && entry.IsDir() { // in a work tree it is a file
			return fs.SkipDir
		}
		target := filepath.Join(s.folder, name)
		if entry.IsDir() {
			return os.Mkdir(target, 0o755)
		}
		content, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.envoy, s.admin = envoytest.FreeAddress(), envoytest.FreeAddress()
	s.edit(t, "docker-compose.yml", `"127.0.0.1:10000:`, `"`+s.envoy+`:`)
	s.edit(t, "docker-compose.yml", `"127.0.0.1:9002:9002"`, `"`+s.admin+`:9002"`)
	for _, port := range []string{"10001", "10002"} {
		address := envoytest.FreeAddress()
		s.gateways = append(s.gateways, address)
		s.edit(t, "docker-compose.yml", `"127.0.0.1:`+port+`:`, `"`+address+`:`)
	}
	for _, name := range []string{"Dockerfile", "docker-compose.yml"} {
		for _, base := range baseImages(t, name) {
			s.edit(t, name, base.String(), base.image())
		}
	}
}

// edit replaces text of a file, which has to be there once, at once.
func (s *stack) edit(t *testing.T, name, old, replacement string) {
	t.Helper()
	file := filepath.Join(s.folder, name)
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), old); n != 1 {
		t.Fatalf("%s has %q %d times", name, old, n)
	}
	next := file + ".next~"
	if err := os.WriteFile(next, []byte(strings.Replace(string(content), old, replacement, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

func (s *stack) compose(t *testing.T, args ...string) string {
	t.Helper()
	return s.engine.run(t, s.folder, slices.Concat(composeCommand(), s.profile, args)...)
}

// up starts all of it, with an image that is built or not; the parts wait for
// each other.
func (s *stack) up(t *testing.T, build string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.compose(t, "logs", "--no-color", "--tail", "30"))
		}
	})
	s.compose(t, "up", build, "--detach")
	servertest.Await(t, "Envoy answers", func() bool {
		conn, err := net.Dial("tcp", s.envoy)
		if err != nil {
			return false
		}
		conn.Close()
		return s.ask(t, http.MethodGet, allowedOrigin).allowOrigin == allowedOrigin
	})
}

// followsItsStore brings the profile fleet up, pushes, and takes one etcd away.
func followsItsStore(t *testing.T, e engine) {
	s := newStack(t, e)
	s.profile = []string{"--profile", "fleet"}
	s.up(t, "--no-build")
	s.awaitGateways(t, allowedOrigin)
	push := func(old, origin string) {
		s.edit(t, policyFile, old, origin)
		began := time.Now()
		s.compose(t, "run", "--rm", "--no-deps", "-T", "push")
		s.awaitGateways(t, origin)
		t.Logf("both Envoys answer by what is pushed %v after the publisher's start", time.Since(began).Round(time.Millisecond))
	}
	push(allowedOrigin, newOrigin)
	s.compose(t, "kill", "etcd-2")
	push(newOrigin, allowedOrigin)
	s.compose(t, "run", "--rm", "--no-deps", "-T", "push", "status", "--wait", "0")
	s.down(t)
}

// awaitGateways waits until all gateways of the fleet allow an origin, and the other one
// no more.
func (s *stack) awaitGateways(t *testing.T, origin string) {
	t.Helper()
	for _, address := range s.gateways {
		servertest.Await(t, address+" allows "+origin+" alone", func() bool {
			for _, o := range []string{allowedOrigin, newOrigin} {
				if allowed := askAt(t, address, http.MethodGet, o).allowOrigin == o; allowed != (o == origin) {
					return false
				}
			}
			return true
		})
	}
}

// down ends all of it, and leaves nothing.
func (s *stack) down(t *testing.T) {
	t.Helper()
	s.compose(t, "down", "--volumes", "--remove-orphans")
	if left := s.engine.run(t, "", "docker", "ps", "--all", "--quiet"); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}

// answer is what a request of the demo gets.
type answer struct {
	status                    int
	allowOrigin, allowMethods string
}

func (s *stack) ask(t *testing.T, method, origin string) answer {
	t.Helper()
	return askAt(t, s.envoy, method, origin)
}

func askAt(t *testing.T, address, method, origin string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	if method == http.MethodOptions {
		req.Header.Set("Access-Control-Request-Method", http.MethodPut)
		req.Header.Set("Access-Control-Request-Headers", "content-type")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}
	}
	defer resp.Body.Close()
	return answer{resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin"), resp.Header.Get("Access-Control-Allow-Methods")}
}

func (s *stack) answersRequests(t *testing.T) {
	for _, c := range []struct {
		name, method, origin string
		want                 answer
	}{
		{"a preflight of an allowed origin", http.MethodOptions, allowedOrigin, answer{204, allowedOrigin, "GET, PUT, DELETE"}},
		{"a preflight of another origin", http.MethodOptions, deniedOrigin, answer{403, "", ""}},
		{"a request of an allowed origin", http.MethodGet, allowedOrigin, answer{200, allowedOrigin, ""}},
		{"a request of another origin", http.MethodGet, deniedOrigin, answer{200, "", ""}},
	} {
		// Envoy goes on without an answer that takes half a second.
		servertest.Await(t, fmt.Sprintf("%s: %+v", c.name, c.want), func() bool { return s.ask(t, c.method, c.origin) == c.want })
	}
}

// takesEdits replaces the policy file on the host, as editors do.
func (s *stack) takesEdits(t *testing.T) {
	if got := s.ask(t, http.MethodGet, newOrigin); got.allowOrigin != "" {
		t.Fatalf("the new origin is allowed before: %+v", got)
	}
	began := time.Now()
	s.edit(t, policyFile, allowedOrigin, newOrigin)
	servertest.Await(t, "the new origin is allowed", func() bool { return s.ask(t, http.MethodGet, newOrigin).allowOrigin == newOrigin })
	t.Logf("the edit was live after %v", time.Since(began).Round(time.Millisecond))
	// Each of Envoy's workers takes the edit by itself.
	servertest.Await(t, "the old origin is denied", func() bool { return s.ask(t, http.MethodGet, allowedOrigin).allowOrigin == "" })
}

// decidesAlone stops corsgate. Envoy has what it delivered.
func (s *stack) decidesAlone(t *testing.T) {
	servertest.Await(t, "Envoy has the policies", func() bool {
		resp, err := http.Get("http://" + s.admin + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return err == nil && strings.Contains(string(text), "\ncorsgate_envoys{state=\"current\"} 1\n")
	})
	s.compose(t, "stop", "corsgate")
	for _, c := range []struct {
		method, origin string
		want           answer
	}{
		{http.MethodOptions, newOrigin, answer{204, newOrigin, "GET, PUT, DELETE"}},
		{http.MethodOptions, deniedOrigin, answer{403, "", ""}},
		{http.MethodGet, newOrigin, answer{200, newOrigin, ""}},
	} {
		if got := s.ask(t, c.method, c.origin); got != c.want {
			t.Errorf("%s of %s: %+v, want %+v", c.method, c.origin, got, c.want)
		}
	}
}

// policyFile is the sample policy that answers the demo's requests.
const policyFile = "envoy/policies/demo.yaml"

// isConfined looks at what the engine runs.
func (s *stack) isConfined(t *testing.T) {
	id := strings.TrimSpace(s.compose(t, "ps", "--quiet", "corsgate"))
	var found []struct {
		Image  string
		Config struct{ User string }
		Host   struct {
			ReadonlyRootfs bool
			CapDrop        []string
		} `json:"HostConfig"`
	}
	if err := json.Unmarshal([]byte(s.engine.run(t, "", "docker", "inspect", id)), &found); err != nil || len(found) != 1 {
		t.Fatalf("%d containers, %v", len(found), err)
	}
	c := found[0]
	if c.Config.User != "65532:65532" || !c.Host.ReadonlyRootfs || len(c.Host.CapDrop) != 1 {
		t.Errorf("user %q, read-only %t, dropped %q", c.Config.User, c.Host.ReadonlyRootfs, c.Host.CapDrop)
	}
	processes := strings.Fields(s.engine.run(t, "", "docker", "top", id, "-o", "pid,uid"))
	if len(processes) != 4 || processes[3] != "65532" {
		t.Errorf("processes run as %q", processes)
	}
	layers := s.engine.run(t, "", "docker", "image", "inspect", "--format", "{{len .RootFS.Layers}}", c.Image)
	if strings.TrimSpace(layers) != "1" {
		t.Errorf("the image has %s layers, want the binary's alone", layers)
	}
}
