package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policytest"
	"github.com/corsgate/corsgate/server/wire"
)

// generationSpecs name the generation in a header that every answer has.
func generationSpecs(name string) []policy.Spec {
	return []policy.Spec{{Name: "only", CORS: policy.CORS{AllowOrigins: []string{app}, ExposeHeaders: []string{"x-" + name}}}}
}

func TestHandlerBeforeTheFirstSet(t *testing.T) {
	h := &wire.Handler{Store: &policy.Store{}}
	x := h.Begin("")
	defer x.End()
	if answer, err := x.Process(t.Context(), nil, encoded(t, get("list.test", app))); !errors.Is(err, wire.ErrNoSet) || answer != nil {
		t.Errorf("a request: %x, %v", answer, err)
	}
	question := question{check: asked("GET", "list.test", false, "origin: "+app)}
	if answer, err := x.Check(t.Context(), nil, question.encoded(t)); !errors.Is(err, wire.ErrNoSet) || answer != nil {
		t.Errorf("a question: %x, %v", answer, err)
	}
	if h.Ready() {
		t.Error("ready without a set")
	}
	h.Store.Swap(policytest.Compile(t, testSpecs()...))
	if !h.Ready() {
		t.Error("not ready with a set")
	}
}

// exposed returns the headers that an answer exposes, by its dynamic metadata,
// or why the answer is none.
func exposed(answer []byte) string {
	out := &extprocv3.ProcessingResponse{}
	if err := proto.Unmarshal(answer, out); err != nil {
		return err.Error()
	}
	fields := out.GetDynamicMetadata().GetFields()["corsgate"].GetStructValue().GetFields()
	return fields["expose_headers"].GetStringValue()
}

func TestHandlerServesTheStoresSet(t *testing.T) {
	first, second := policytest.Compile(t, generationSpecs("first")...), policytest.Compile(t, generationSpecs("second")...)
	message := encoded(t, get("any.test", app))
	for _, c := range []struct {
		name    string
		prepare []*policy.Set // in this order, before the swap to second
	}{
		{"a set that was not prepared", nil},
		{"a set that was prepared", []*policy.Set{second}},
		{"a set while another was prepared", []*policy.Set{second, policytest.Compile(t, generationSpecs("third")...)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &wire.Handler{Store: &policy.Store{}}
			h.Store.Swap(first)
			ask := func() string {
				x := h.Begin("")
				defer x.End()
				answer, err := x.Process(t.Context(), nil, message)
				if err != nil {
					t.Fatal(err)
				}
				return exposed(answer)
			}
			if got := ask(); got != "x-first" {
				t.Errorf("at first: %q", got)
			}
			for _, set := range c.prepare {
				h.Prepare(set)
			}
			if got := ask(); got != "x-first" {
				t.Errorf("before the swap: %q", got)
			}
			h.Store.Swap(second)
			if got := ask(); got != "x-second" {
				t.Errorf("after the swap: %q", got)
			}
		})
	}
}

func TestExchangeKeepsItsSet(t *testing.T) {
	h := &wire.Handler{Store: &policy.Store{}}
	h.Store.Swap(policytest.Compile(t, generationSpecs("first")...))
	x := h.Begin("")
	defer x.End()
	message := encoded(t, get("any.test", app))
	if _, err := x.Process(t.Context(), nil, message); err != nil {
		t.Fatal(err)
	}
	h.Store.Swap(policytest.Compile(t, generationSpecs("second")...))
	if !h.Ready() {
		t.Fatal("not ready")
	}
	answer, err := x.Process(t.Context(), nil, message)
	if err != nil {
		t.Fatal(err)
	}
	if got := exposed(answer); got != "x-first" {
		t.Errorf("the stream changed its set: %q", got)
	}
}

// TestHandlerIsSafeForConcurrentUse answers many streams during reloads: each
// must get the answers of one set, to its own origin, in both phases.
func TestHandlerIsSafeForConcurrentUse(t *testing.T) {
	const streams, rounds = 8, 100
	h := &wire.Handler{Store: &policy.Store{}}
	sets := make([]*policy.Set, 4)
	for i := range sets {
		specs := generationSpecs(fmt.Sprint(i))
		specs[0].CORS.AllowOrigins = []string{"https://*.example.com"}
		sets[i] = policytest.Compile(t, specs...)
	}
	h.Store.Swap(sets[0])
	response := encoded(t, responseMessage("vary: x"))
	var all sync.WaitGroup
	for i := range streams {
		origin := fmt.Sprintf("https://%s.example.com", strings.Repeat(string(rune('a'+i)), 1+i))
		request := encoded(t, get("any.test", origin))
		all.Go(func() {
			for range rounds {
				if err := holdStream(t.Context(), h, origin, request, response); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range rounds {
		next := sets[i%len(sets)]
		if i%2 == 0 {
			h.Prepare(next)
		}
		h.Store.Swap(next)
	}
	all.Wait()
}

// holdStream asks for both phases and compares what they say.
func holdStream(ctx context.Context, h *wire.Handler, origin string, request, response []byte) error {
	x := h.Begin("")
	defer x.End()
	message, release := received(request)
	answer, err := x.Process(ctx, nil, message)
	release()
	if err != nil {
		return err
	}
	header := exposed(answer)
	answer, err = x.Process(ctx, nil, response)
	if err != nil {
		return err
	}
	if !bytes.Contains(answer, []byte(header)) || !bytes.Contains(answer, []byte(origin)) {
		return fmt.Errorf("answer %q, want %s and %s in it", answer, header, origin)
	}
	return nil
}
