package ecds_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	extension "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/seldom"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/tlsfile"
	"github.com/corsgate/corsgate/server/tlsfile/tlstest"
)

func TestOnlyWhatChangedIsSent(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a", "b")
		first := e.want(t, "a=1", "b=1")
		if first[0].text != "x-1" {
			t.Errorf("the filter is %q", first[0].text)
		}
		e.acknowledge(t, first)
		e.want(t)
		s.serve(t, "2", "1")
		e.acknowledge(t, e.want(t, "a=2"))
		s.serve(t, "2", "1")
		e.want(t)
		s.serve(t, "2", "2")
		e.acknowledge(t, e.want(t, "b=2"))
		e.want(t)
	})
}

// TestTheNewestVersionIsSentOnceTheLastIsAnswered has three sets serve before the
// Envoy says anything.
func TestTheNewestVersionIsSentOnceTheLastIsAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		first := e.want(t, "a=1")
		s.serve(t, "2", "1")
		s.serve(t, "3", "1")
		e.want(t)
		e.acknowledge(t, first)
		e.acknowledge(t, e.want(t, "a=3"))
		e.acknowledge(t, first) // which is answered already
		e.refuse(t, first[0], "too late")
		e.want(t)
		if a := s.Envoys()[0].Resources[0]; a.State != ecds.Current || a.Acknowledged != "3" {
			t.Errorf("the state is %+v", a)
		}
	})
}

// TestWhoAnswersAnOldVersionWaits looks at an Envoy between its answer to a version and
// the delivery of the one that serves meanwhile.
func TestWhoAnswersAnOldVersionWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		var state ecds.State
		s.Logger = slog.New(hook(func() { state = s.Envoys()[0].State }))
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		first := e.want(t, "a=1")
		s.serve(t, "2", "1")
		e.refuse(t, first[0], "no")
		if e.want(t, "a=2"); state != ecds.Waiting {
			t.Errorf("with the answer it is %q", state)
		}
	})
}

func TestWhatIsRefusedIsHealedByTheNextVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a", "b")
		e.acknowledge(t, e.want(t, "a=1", "b=1"))
		s.serve(t, "2", "2")
		for _, r := range e.want(t, "a=2", "b=2") {
			if r.name == "a" {
				e.refuse(t, r, "no such \x01 thing "+strings.Repeat("ü", 1000))
			} else {
				e.acknowledge(t, []response{r})
			}
		}
		e.want(t) // it is not sent again
		s.serve(t, "2", "2")
		e.want(t)
		envoys := s.Envoys()
		a := envoys[0].Resources[0]
		if a.Refused == nil || a.Refused.Version != "2" || a.Version != "2" || a.Acknowledged != "1" || a.State != ecds.Refused || envoys[0].State != ecds.Refused {
			t.Errorf("the state is %+v", a)
		}
		if text := a.Refused.Error; !strings.HasPrefix(text, "no such \x01 thing ü") || len(text) > 1024 || strings.ContainsRune(text, '\uFFFD') {
			t.Errorf("the text is %q", text)
		}
		if b := envoys[0].Resources[1]; b.State != ecds.Current || b.Acknowledged != "2" {
			t.Errorf("the other is %+v", b)
		}
		s.serve(t, "3", "2")
		e.acknowledge(t, e.want(t, "a=3"))
		if a := s.Envoys()[0].Resources[0]; a.Refused != nil || a.State != ecds.Current {
			t.Errorf("healed it is %+v", a)
		}
	})
}

// TestAnEnvoyGetsBackWhatItHadBeforeARefusal goes back to the set before: the Envoy
// has that, but takes the resource for broken until it accepts one.
func TestAnEnvoyGetsBackWhatItHadBeforeARefusal(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		e.acknowledge(t, e.want(t, "a=1"))
		s.serve(t, "2", "1")
		e.refuse(t, e.want(t, "a=2")[0], "no")
		s.serve(t, "1", "1")
		e.acknowledge(t, e.want(t, "a=1"))
		if state := s.Envoys()[0].State; state != ecds.Current {
			t.Errorf("it is %s", state)
		}
	})
}

func TestAnEnvoyResumesWithWhatItHas(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "2", "2")
		has := s.connect(t, delta, "n", map[string]string{"a": "2"}, "a")
		has.want(t)
		if r := s.Envoys()[0].Resources[0]; r.State != ecds.Current || r.Acknowledged != "2" {
			t.Errorf("it is %+v", r)
		}
		old := s.connect(t, delta, "n", map[string]string{"a": "1"}, "a")
		old.want(t, "a=2")
		s.serve(t, "3", "2")
		has.want(t, "a=3")
	})
}

// TestTheVersionOfOneIsNotThatOfSeveral has an Envoy resume with several names: only
// the delta protocol says of which one it has what.
func TestTheVersionOfOneIsNotThatOfSeveral(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", map[string]string{"a": "1"}, "a", "b")
		if delta {
			e.want(t, "b=1")
		} else {
			e.want(t, "a=1", "b=1")
		}
	})
}

// TestAnEnvoyChangesWhatItWants adds a name, takes one away, and asks for one again.
func TestAnEnvoyChangesWhatItWants(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		first := e.want(t, "a=1")
		e.acknowledge(t, first)
		if delta {
			e.send(t, &discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: []string{"b"}, ResourceNamesUnsubscribe: []string{"a"}})
		} else {
			e.send(t, &discovery.DiscoveryRequest{TypeUrl: typeURL, ResourceNames: []string{"b"}, VersionInfo: "1", ResponseNonce: first[0].nonce})
		}
		e.names = []string{"b"}
		e.acknowledge(t, e.want(t, "b=1"))
		s.serve(t, "2", "2")
		e.acknowledge(t, e.want(t, "b=2"))
		if !delta {
			return // who lists all names all the time has not lost one
		}
		e.send(t, &discovery.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: []string{"b"}})
		e.want(t, "b=2")
	})
}

// TestEnvoysWaitForTheFirstSet has one ask before anything serves.
func TestEnvoysWaitForTheFirstSet(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		e := s.connect(t, delta, "n", nil, "a")
		e.want(t)
		if state := s.Envoys()[0].State; state != ecds.Waiting {
			t.Errorf("it is %s", state)
		}
		s.serve(t, "1", "1")
		e.want(t, "a=1")
	})
}

// TestANameThatCannotBeCompiledHarmsNobodyElse has an Envoy wait with one when a set is
// loaded.
func TestANameThatCannotBeCompiledHarmsNobodyElse(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		bad := s.connect(t, delta, "n", nil, "a.unknown")
		good := s.connect(t, delta, "n", nil, "a")
		s.serve(t, "1", "1")
		good.want(t, "a=1")
		if err := bad.ended(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("it got %v", err)
		}
	})
}

// TestWhoAsksInVainIsLoggedSeldom has Envoys ask again and again, as they do.
func TestWhoAsksInVainIsLoggedSeldom(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		lines := 0
		s.Logger = slog.New(hook(func() { lines++ }))
		s.serve(t, "1", "1")
		for i, name := range []string{"a.unknown", "a"} {
			for range 5 {
				if err := s.connect(t, delta, "n", nil, name).ended(); err == nil {
					t.Errorf("%s is delivered", name)
				}
			}
			if lines != i+1 {
				t.Errorf("after %s there are %d lines", name, lines)
			}
			s.Allowed = []string{"envoy.example"}
		}
		time.Sleep(seldom.Interval)
		s.connect(t, delta, "n", nil, "a")
		if lines != 3 {
			t.Errorf("later there are %d lines", lines)
		}
	})
}

// TestVariantsAreCompiledForWhoWantsThem counts the calls of the compiler.
func TestVariantsAreCompiledForWhoWantsThem(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		compiled := func(want int64) {
			t.Helper()
			if got := s.compiled.Swap(0); got != want {
				t.Errorf("compiled %d times, want %d", got, want)
			}
		}
		s.serve(t, "1", "1")
		compiled(0)
		s.connect(t, delta, "n", nil, "a").want(t, "a=1")
		s.connect(t, delta, "n", nil, "b").want(t, "b=1")
		compiled(1)
		e := s.connect(t, delta, "n", nil, "a.x")
		if got := e.want(t, "a.x=1"); got[0].text != "xx-1" {
			t.Errorf("the filter is %q", got[0].text)
		}
		compiled(1)
		servertest.Prepare(t, s.Server, versions(t, "2", "1"))
		compiled(2)
		if err := e.stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		servertest.Prepare(t, s.Server, versions(t, "2", "1"))
		compiled(1)
	})
}

func TestASetThatDoesNotCompileIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		e.acknowledge(t, e.want(t, "a=1"))
		s.broken.Store(true)
		if _, err := s.Prepare(versions(t, "2", "1")); err == nil || !strings.Contains(err.Error(), `compile for Envoy: resource "a": change the policies`) {
			t.Errorf("got %v", err)
		}
		e.want(t)
		if envoys := s.Envoys(); envoys[0].State != ecds.Current || e.ended() != nil {
			t.Errorf("it is %+v, %v", envoys, e.ended())
		}
	})
}

func TestWhatEnvoysMayNotAskForEndsTheirStream(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		for name, want := range map[string]string{
			"a.unknown":                       `resource "a.unknown": write another`,
			"*":                               `the resource "*" was not compiled`,
			strings.Repeat("a", 257):          "a resource name of 257 bytes: write at most 256",
			strings.Repeat("a", 254) + ".xyz": "a resource name of 258 bytes",
		} {
			e := s.connect(t, delta, "n", nil, name)
			if err := e.ended(); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
				t.Errorf("%.20s: %v, want %q in it", name, err, want)
			}
		}
		e := s.connect(t, delta, "n", nil, "a")
		if delta {
			e.send(t, &discovery.DeltaDiscoveryRequest{TypeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster"})
		} else {
			e.send(t, &discovery.DiscoveryRequest{TypeUrl: "type.googleapis.com/envoy.config.cluster.v3.Cluster"})
		}
		if err := e.ended(); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "ask for "+typeURL) {
			t.Errorf("another type: %v", err)
		}
		if envoys := s.Envoys(); len(envoys) > 0 {
			t.Errorf("there are still %+v", envoys)
		}
	})
}

func TestVariantsAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		var last *fakeEnvoy
		for i := range ecds.MaxVariants {
			name := fmt.Sprintf("a.x%d", i)
			last = s.connect(t, delta, "n", nil, name)
			last.want(t, name+"=1")
		}
		more := s.connect(t, delta, "n", nil, "a.more")
		if err := more.ended(); err == nil || !strings.Contains(err.Error(), "Envoys ask for 16 variants of the compiled policies already") {
			t.Errorf("one more: %v", err)
		}
		if err := last.stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.connect(t, delta, "n", nil, "a.more").want(t, "a.more=1")
	})
}

// TestStampsAreThoseOfWhatIsKept has an Envoy ask for ever more variants: what was told
// of those that are given up is over.
func TestStampsAreThoseOfWhatIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		var told map[string]bool
		s.Stamped = func(_ *policy.Set, stamps map[string]bool) { told = stamps }
		s.serve(t, "1", "1")
		for i := range 3 * ecds.MaxVariants {
			name := fmt.Sprintf("a.x%d", i)
			e := s.connect(t, delta, "n", nil, name)
			e.want(t, name+"=1")
			if !told[name+" 1"] || len(told) > 2*ecds.MaxVariants {
				t.Fatalf("the stamps are %v", told)
			}
			if err := e.stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		s.connect(t, delta, "n", nil, "a").want(t, "a=1")
		servertest.Prepare(t, s.Server, versions(t, "2", "1"))
		if want := map[string]bool{"a 2": true, "b 1": true}; !maps.Equal(told, want) {
			t.Errorf("of the next set, the stamps are %v, want %v", told, want)
		}
	})
}

// TestNamesAreBounded has one stream ask for too many, and then all streams together.
func TestNamesAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		var log bytes.Buffer
		s.Logger = slog.New(slog.NewTextHandler(&log, nil))
		names := make([]string, 0, ecds.MaxNamesOfStream+1)
		for i := range cap(names) {
			names = append(names, fmt.Sprintf("n%d", i))
		}
		exhausted := func(names ...string) bool {
			return status.Code(s.connect(t, delta, "n", nil, names...).ended()) == codes.ResourceExhausted
		}
		if !exhausted(names...) {
			t.Error("one stream has too many names")
		}
		var e *fakeEnvoy
		for range ecds.MaxNames / ecds.MaxNamesOfStream {
			if e = s.connect(t, delta, "n", nil, names[1:]...); e.ended() != nil {
				t.Fatal(e.ended())
			}
		}
		if !exhausted("a") {
			t.Error("all streams have too many names")
		}
		if err := e.stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if exhausted("a") {
			t.Error("the names of who has gone count")
		}
		if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "an Envoy cannot get the compiled policies") || !strings.Contains(text, "too many resources") {
			t.Errorf("the log has %s", text)
		}
	})
}

// TestStreamsEndWithTheDrain has an Envoy that waits for the next set.
func TestStreamsEndWithTheDrain(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		start := time.Now()
		s.stop()
		if took := time.Since(start); took != 0 || e.ended() == nil { // the bubble's clock stands still otherwise
			t.Errorf("the end took %v, the stream ended with %v", took, e.ended())
		}
		if envoys := s.Envoys(); len(envoys) > 0 {
			t.Errorf("there are still %+v", envoys)
		}
	})
}

// TestOnlyAllowedClientsGetResources has clients with names, without, and without TLS.
func TestOnlyAllowedClientsGetResources(t *testing.T) {
	const allowed = "spiffe://td/ns/envoy"
	authority, files := tlstest.New(t), tlsfile.Files{}
	folder := t.TempDir()
	files.Cert, files.Key, files.ClientCA = folder+"/tls.crt", folder+"/tls.key", authority.WriteCA(t, folder+"/ca.crt")
	authority.Write(t, files.Cert, files.Key, "corsgate.test")
	config, err := files.Config("h2")
	if err != nil {
		t.Fatal(err)
	}
	anybody := config.Clone()
	anybody.GetConfigForClient, anybody.ClientAuth = nil, tls.RequestClientCert // and believes it
	as := func(names ...string) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{ServerName: "corsgate.test", RootCAs: authority.Pool(), Certificates: []tls.Certificate{*authority.Client(t, names...)}})
	}
	for _, c := range []struct {
		name   string
		server *tls.Config
		client credentials.TransportCredentials
		list   []string
		want   codes.Code
	}{
		{"one of its names", config, as("envoy.test", allowed), []string{"other", allowed}, codes.OK},
		{"another name", config, as("envoy.test"), []string{allowed}, codes.PermissionDenied},
		{"no name", config, as(), []string{allowed}, codes.PermissionDenied},
		{"a name that nobody vouches for", anybody, as(allowed), []string{allowed}, codes.PermissionDenied},
		{"no TLS", nil, insecure.NewCredentials(), []string{allowed}, codes.PermissionDenied},
		{"no list", config, as("envoy.test"), nil, codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, &ecds.Server{Allowed: c.list}, c.server, c.client)
			servertest.Prepare(t, s.Server, versions(t, "1", "1"))()
			stream, err := extension.NewExtensionConfigDiscoveryServiceClient(s.conn).DeltaExtensionConfigs(servertest.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.Send(&discovery.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"a"}}); err != nil && !errors.Is(err, io.EOF) { // which Recv tells more of
				t.Fatal(err)
			}
			if r, err := stream.Recv(); status.Code(err) != c.want {
				t.Errorf("got %v, %v", r, err)
			}
		})
	}
}

func TestEnvoysTellsWhoHasWhat(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		late := s.connect(t, delta, "second", nil, "a")
		late.want(t, "a=1")
		for _, name := range []string{"b", "a"} {
			e := s.connect(t, delta, "first"+strings.Repeat("!", 300), nil, name)
			e.acknowledge(t, e.want(t, name+"=1"))
		}
		want := []ecds.Envoy{
			{Node: "first" + strings.Repeat("!", 251), Address: "bufconn", State: ecds.Current, Resources: []ecds.Subscription{
				{Name: "a", State: ecds.Current, Version: "1", Acknowledged: "1"}, {Name: "b", State: ecds.Current, Version: "1", Acknowledged: "1"},
			}},
			{Node: "second", Address: "bufconn", State: ecds.Waiting, Resources: []ecds.Subscription{{Name: "a", State: ecds.Waiting, Version: "1"}}},
		}
		if diff := cmp.Diff(want, s.Envoys()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if current, waiting, refused := s.Count(ecds.Current), s.Count(ecds.Waiting), s.Count(ecds.Refused); current != 1 || waiting != 1 || refused != 0 {
			t.Errorf("%d, %d and %d are counted", current, waiting, refused)
		}
	})
}

// TestAwaitEndsWhenAllHaveAnswered has an Envoy that answers after a while, and one
// that never does.
func TestAwaitEndsWhenAllHaveAnswered(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		first := e.want(t, "a=1")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if envoys := s.Await(ctx); envoys[0].State != ecds.Waiting || ctx.Err() == nil {
			t.Errorf("it ended with %+v", envoys)
		}
		answered := time.AfterFunc(time.Hour, func() { e.acknowledge(t, first) })
		defer answered.Stop()
		if envoys := s.Await(t.Context()); envoys[0].State != ecds.Current {
			t.Errorf("it ended with %+v", envoys)
		}
	})
}

// TestANewSetMakesEnvoysWaitAtOnce holds the streams up: Await must not take what was
// acknowledged for what serves.
func TestANewSetMakesEnvoysWaitAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *service, delta bool) {
		s.serve(t, "1", "1")
		e := s.connect(t, delta, "n", nil, "a")
		e.acknowledge(t, e.want(t, "a=1"))
		servertest.Prepare(t, s.Server, versions(t, "2", "1"))()
		if state := s.Envoys()[0].State; state != ecds.Waiting {
			t.Errorf("it is %s", state)
		}
		synctest.Wait()
	})
}
