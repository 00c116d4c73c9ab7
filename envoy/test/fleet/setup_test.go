//go:build unix

package fleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/service"
	"github.com/corsgate/corsgate/server/source/etcd"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
	"github.com/corsgate/corsgate/server/state"
	"github.com/corsgate/corsgate/server/store"
)

// host and origin are what is asked about.
const (
	host   = "api.test"
	origin = "https://app.example"
)

// policies are a policy folder whose answers expose the header x-N.
func policies(n int) fs.FS {
	return fstest.MapFS{"policies.yaml": {Data: fmt.Appendf(nil, `
originGroups: {apps: ["%s"]}
policies:
- {name: api, hosts: [%s], cors: {allowOrigins: ["group:apps"], exposeHeaders: [x-%d]}}
- {name: other, hosts: [other.test], cors: {allowOrigins: ["https://other.example"]}}
`, origin, host, n)}}
}

// units are the units of policies.
func units(t testing.TB, n int) []policyfile.Unit {
	t.Helper()
	return cut(t, policies(n))
}

func cut(t testing.TB, folder fs.FS) []policyfile.Unit {
	t.Helper()
	units, res, err := store.Cut(folder, "")
	if err != nil || res.HasErrors() {
		t.Fatalf("Cut: %v, %v", res.Diagnostics, err)
	}
	return units
}

// hashOf is the hash of the policies of units.
func hashOf(t testing.TB, units []policyfile.Unit) string {
	t.Helper()
	folder := fstest.MapFS{policyfile.GroupsFile: {Data: policyfile.Groups(units)}}
	for _, u := range units {
		folder[u.File()] = &fstest.MapFile{Data: u.Data}
	}
	res := policyfile.Load(folder, "")
	if res.HasErrors() {
		t.Fatal(res.Diagnostics)
	}
	return res.Policies.Hash()
}

// open opens the store of a URL until the test ends.
func open(t testing.TB, url string) *etcd.Backend {
	t.Helper()
	b, err := etcd.Open(etcd.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // its servers may have ended
	return b
}

const fleetName = "edge"

// keyPrefix is what the keys of the fleet begin with in etcd.
const keyPrefix = "/corsgate/v1/" + fleetName + "/"

func push(t testing.TB, b store.Backend, units []policyfile.Unit) store.Pushed {
	t.Helper()
	p, err := store.Push(servertest.Context(t), b, units, store.Meta{By: t.Name()})
	if err := errors.Join(err, p.Checkpoint); err != nil {
		t.Fatalf("Push: %v", err)
	}
	return p
}

// audit is how often instances look whether a silent store is still there.
const audit = time.Second

// served is what an instance has served.
type served struct {
	live.Release
	Hash string // of the policies
	From live.Provenance
}

// journal has what an instance has served, in order, also over its restarts.
type journal struct {
	mu      sync.Mutex
	served  []served
	refused string // the code of the last load; empty if that was good
}

// Loading is live.Watcher's.
func (j *journal) Loading() func(live.Load) { return j.note }

func (j *journal) note(l live.Load) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if l.Cut {
		return
	}
	j.refused = ""
	if refusal, ok := errors.AsType[*live.LoadError](l.Err); ok {
		j.refused = refusal.Code()
	}
	now := served{l.Status.Release, l.Status.Hash, l.Status.ServedFrom}
	if n := len(j.served); l.Status.Ready && (n == 0 || j.served[n-1] != now) {
		j.served = append(j.served, now)
	}
}

// all returns what was served.
func (j *journal) all() []served {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.served)
}

func (j *journal) refusal() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.refused
}

// instance is a whole corsgate that follows a store.
type instance struct {
	*service.Service
	*journal
	source *store.Source
	pages  string // URL of /metrics and /readyz
	client authv3.AuthorizationClient
	// first is the error of the first load.
	first error
	// stop ends it. The end of the test does so too.
	stop func()
}

// plan says of what an instance is made.
type plan struct {
	store store.Backend
	state string   // folder; empty means that none is kept
	keeps *journal // of an instance that this one goes on with; nil means none
	with  service.Config
}

// start starts an instance. Its first load may fail: then it goes on to try.
func start(t testing.TB, p plan) *instance {
	t.Helper()
	i := &instance{journal: p.keeps, source: &store.Source{Backend: p.store, Audit: audit}}
	if i.journal == nil {
		i.journal = &journal{}
	}
	c := p.with
	c.Source, c.Watchers, c.Metrics = i.source, []live.Watcher{i.journal}, listen(t, "127.0.0.1:0")
	c.GRPC = &server.Server{Listener: listen(t, "127.0.0.1:0")}
	i.pages = "http://" + c.Metrics.Addr().String()
	if p.state != "" {
		var err error
		c.StateFirst = true
		if c.State, err = state.Open(p.state, nil); err != nil {
			t.Fatal(err)
		}
		i.source.Served, i.source.Lost, i.source.OnLost = c.State.Served(), c.State.Lost(), c.State.NoteLost
	}
	i.Service = service.New(c)
	i.first = i.Load(servertest.Context(t))
	conn, err := grpc.NewClient(i.Address().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	i.client = authv3.NewAuthorizationClient(conn)
	stop := servertest.Run(t, i.Run)
	i.stop = func() {
		_ = conn.Close()
		stop()
	}
	t.Cleanup(i.stop)
	if i.first == nil {
		servertest.Await(t, "the instance", c.GRPC.Ready)
	}
	return i
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// awaitRelease waits until the instance serves that release from the store.
func (i *instance) awaitRelease(t testing.TB, want store.Info) {
	t.Helper()
	servertest.Await(t, fmt.Sprintf("revision %d", want.Revision), func() bool {
		s := i.Reloader.Status()
		return s.Release == want.Release && s.ServedFrom == live.FromSource
	})
}

// awaitRefusal waits until a load was refused with that code.
func (i *instance) awaitRefusal(t testing.TB, code string) {
	t.Helper()
	servertest.Await(t, "the refusal "+code, func() bool { return i.refusal() == code })
}

// exposes asks as Envoy does, and checks which header is exposed.
func (i *instance) exposes(t testing.TB, n int) {
	t.Helper()
	request := &authv3.AttributeContext_HttpRequest{Method: http.MethodGet, Host: host, Path: "/", Headers: map[string]string{"origin": origin}}
	answer, err := i.client.Check(servertest.Context(t), &authv3.CheckRequest{
		Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: request}},
	}, grpc.WaitForReady(true))
	if err != nil {
		t.Errorf("Check: %v", err)
	}
	for _, h := range answer.GetOkResponse().GetResponseHeadersToAdd() {
		if strings.EqualFold(h.GetHeader().GetKey(), "Access-Control-Expose-Headers") {
			if got := h.GetHeader().GetValue(); got != fmt.Sprintf("x-%d", n) {
				t.Errorf("exposes %s, want x-%d", got, n)
			}
			return
		}
	}
	t.Errorf("exposes nothing, want x-%d: %v", n, answer)
}

// page returns a page, and its status code.
func (i *instance) page(t testing.TB, path string) (text string, code int) {
	t.Helper()
	req, err := http.NewRequestWithContext(servertest.Context(t), http.MethodGet, i.pages+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), resp.StatusCode
}

// isReady checks whether it says that it is ready.
func (i *instance) isReady(t testing.TB, want bool) {
	t.Helper()
	text, code := i.page(t, "/readyz")
	if ready := code == http.StatusOK; ready != want {
		t.Errorf("/readyz: %d %s, want ready: %t", code, text, want)
	}
}

// metric returns the value of a metric without labels.
func (i *instance) metric(t testing.TB, name string) float64 {
	t.Helper()
	text, _ := i.page(t, "/metrics")
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("no %s in\n%s", name, text)
	return 0
}

// startStore starts an etcd of n members, and opens it for a publisher.
func startStore(t testing.TB, n int, args ...string) (*etcdtest.Cluster, *etcd.Backend) {
	t.Helper()
	c := etcdtest.Start(t, n, args...)
	return c, open(t, c.URL(fleetName))
}

// between is a backend that a test comes between.
type between struct {
	store.Backend
	// call is called before each call, which is not made if it returns an error, and
	// called after each that was made; then its error is the call's. Nil means nothing.
	call, called func(name string) error
}

func (b *between) do(name string, f func() error) error {
	if b.call != nil {
		if err := b.call(name); err != nil {
			return err
		}
	}
	err := f()
	if err == nil && b.called != nil {
		return b.called(name)
	}
	return err
}

func (b *between) Get(ctx context.Context, keys ...string) (objects []store.Object, err error) {
	err = b.do("Get", func() (err error) { objects, err = b.Backend.Get(ctx, keys...); return err })
	return objects, err
}

func (b *between) List(ctx context.Context, prefix string) (objects []store.Object, err error) {
	err = b.do("List", func() (err error) { objects, err = b.Backend.List(ctx, prefix); return err })
	return objects, err
}

func (b *between) Put(ctx context.Context, objects []store.Object) error {
	return b.do("Put", func() error { return b.Backend.Put(ctx, objects) })
}

func (b *between) Swap(ctx context.Context, objects []store.Object) (ok bool, err error) {
	err = b.do("Swap", func() (err error) { ok, err = b.Backend.Swap(ctx, objects); return err })
	return ok, err
}

func (b *between) Watch(ctx context.Context, key string, tell func([]byte)) error {
	return b.do("Watch", func() error { return b.Backend.Watch(ctx, key, tell) })
}
