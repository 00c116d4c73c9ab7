package wire_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/wire"
)

// seen keeps what an observer is told.
type seen struct {
	requests  []policy.Request
	decisions []policy.Decision
}

func (s *seen) Observe(_ context.Context, r *policy.Request, d *policy.Decision) { s.note(r, d) }

// note clones what is valid during the call only.
func (s *seen) note(r *policy.Request, d *policy.Decision) {
	request, decision := *r, *d
	for _, p := range []*string{
		&request.Policy, &request.Method, &request.Authority, &request.Path, &request.Origin, &request.RequestMethod,
		&request.RequestHeaders, &request.RequestPrivateNetwork, &request.SecFetchSite, &request.Upgrade, &request.Protocol, &request.Route,
		&decision.Origin, &decision.Method, &decision.Headers, &decision.Shadow.Origin, &decision.Shadow.Method, &decision.Shadow.Headers,
	} {
		*p = strings.Clone(*p)
	}
	s.requests, s.decisions = append(s.requests, request), append(s.decisions, decision)
}

// duel is the package against the generated code.
type duel struct {
	serves     *policy.Set
	named      string
	want, have seen
	oracle     oracle
	handler    *wire.Handler
	exchange   *wire.Exchange
}

func newDuel(t testing.TB, set *policy.Set, named string) *duel {
	t.Helper()
	d := &duel{serves: set, named: named}
	d.oracle = oracle{serves: set, named: named, observe: d.want.note}
	d.handler = handlerOf(t, set, &d.have)
	d.exchange = d.handler.Begin(named)
	return d
}

// received returns message in memory that is written over as soon as the
// message has been answered, as a transport may do.
func received(message []byte) (b []byte, release func()) {
	b = bytes.Clone(message)
	return b, func() {
		for i := range b {
			b[i] = 'X'
		}
	}
}

// process compares one message of a stream; it reports whether there may be
// another.
func (d *duel) process(t *testing.T, message []byte) bool {
	t.Helper()
	want, ok, wantErr := d.oracle.process(message)
	b, release := received(message)
	answer, err := d.exchange.Process(t.Context(), []byte("kept"), b)
	release()
	have := &extprocv3.ProcessingResponse{}
	if !d.judge(t, message, answer, err, ok, wantErr, have) {
		return false
	}
	if (answer == nil) != (want == nil) {
		t.Fatalf("answer %x, want %v", answer, want)
	}
	if want != nil && !proto.Equal(want, have) {
		t.Fatalf("answer (-want +got):\n%s", cmp.Diff(want, have, protocmp.Transform()))
	}
	if d.exchange.Done() != d.oracle.done {
		t.Fatalf("done: %t, want %t", d.exchange.Done(), d.oracle.done)
	}
	x, o := d.exchange, &d.oracle
	if have, want := [...]bool{x.FullDuplex(), x.Ignored(), x.Awaits()}, [...]bool{o.fullDuplex, o.ignored, o.awaits()}; have != want {
		t.Fatalf("full duplex, ignored, awaits: %v, want %v", have, want)
	}
	return want != nil && wantErr == nil
}

// check compares a question of ext_authz.
func (d *duel) check(t *testing.T, message []byte) {
	t.Helper()
	want, ok, wantErr := d.oracle.check(message)
	b, release := received(message)
	answer, err := d.exchange.Check(t.Context(), []byte("kept"), b)
	release()
	have := &authv3.CheckResponse{}
	if d.judge(t, message, answer, err, ok, wantErr, have) && wantErr == nil && !proto.Equal(want, have) {
		t.Fatalf("answer (-want +got):\n%s", cmp.Diff(want, have, protocmp.Transform()))
	}
}

// judge compares all but the answers, which it decodes into have. It is false
// when the generated code does not accept the message: then nothing is
// demanded but a sound answer, and no grant to an origin that is not there.
func (d *duel) judge(t *testing.T, message, answer []byte, err error, ok bool, wantErr error, have proto.Message) bool {
	t.Helper()
	if answer != nil {
		if !bytes.HasPrefix(answer, []byte("kept")) {
			t.Fatalf("the answer is not appended: %q", answer)
		}
		if err := proto.Unmarshal(answer[len("kept"):], have); err != nil {
			t.Fatalf("the answer cannot be decoded: %v", err)
		}
	}
	for _, decision := range d.have.decisions {
		if !bytes.Contains(message, []byte(decision.Origin)) {
			t.Fatalf("the origin %q is allowed, which is not in the message", decision.Origin)
		}
	}
	if !ok {
		return false
	}
	if !errors.Is(err, wantErr) {
		t.Fatalf("error %v, want %v", err, wantErr)
	}
	if diff := cmp.Diff(d.want, d.have, cmp.AllowUnexported(seen{}), cmp.Comparer(func(a, b *policy.Answer) bool { return a == b })); diff != "" {
		t.Fatalf("decided (-want +got):\n%s", diff)
	}
	d.want, d.have = seen{}, seen{}
	return true
}

func TestProcessAnswersAsTheGeneratedCode(t *testing.T) {
	set := testSet(t)
	for _, c := range conversations() {
		t.Run(c.name, func(t *testing.T) {
			d := newDuel(t, set, c.named)
			defer d.exchange.End()
			for _, message := range c.encoded(t) {
				d.process(t, message)
			}
		})
	}
}

func TestCheckAnswersAsTheGeneratedCode(t *testing.T) {
	set := testSet(t)
	for _, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			d := newDuel(t, set, q.named)
			defer d.exchange.End()
			d.check(t, q.encoded(t))
		})
	}
}
