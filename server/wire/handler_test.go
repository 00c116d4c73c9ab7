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
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/wire"
)

// generationSpecs name the generation in a header that every answer has.
func generationSpecs(name string) []policy.Spec {
	return []policy.Spec{{Name: "only", CORS: policy.CORS{AllowOrigins: []string{app}, ExposeHeaders: []string{"x-" + name}}}}
}

func TestHandlerBeforeTheFirstSet(t *testing.T) {
	h := &wire.Handler{}
	x := h.Begin("")
	defer x.End()
	if answer, err := x.Process(t.Context(), nil, encoded(t, get("list.test", app))); !errors.Is(err, wire.ErrNoSet) || answer != nil {
		t.Errorf("a request: %x, %v", answer, err)
	}
	question := question{check: asked("GET", "list.test", false, "origin: "+app)}
	if answer, err := x.Check(t.Context(), nil, question.encoded(t)); !errors.Is(err, wire.ErrNoSet) || answer != nil {
		t.Errorf("a question: %x, %v", answer, err)
	}
	commit := servertest.Prepare(t, h, testSet(t))
	if isReady(h) || h.Set() != nil {
		t.Error("ready without a set")
	}
	commit()
	if !isReady(h) || h.Set() == nil {
		t.Error("not ready with a set")
	}
}

func isReady(h *wire.Handler) bool {
	select {
	case <-h.Ready():
		return true
	default:
		return false
	}
}

// exposed returns the headers that an answer exposes, by its dynamic metadata,
// or why it is not an answer.
func exposed(answer []byte) string {
	out := &extprocv3.ProcessingResponse{}
	if err := proto.Unmarshal(answer, out); err != nil {
		return err.Error()
	}
	fields := out.GetDynamicMetadata().GetFields()["corsgate"].GetStructValue().GetFields()
	return fields["expose_headers"].GetStringValue()
}

func TestHandlerServesTheSetThatWasCommittedLast(t *testing.T) {
	first, second, third := policytest.Compile(t, generationSpecs("first")...), policytest.Compile(t, generationSpecs("second")...), policytest.Compile(t, generationSpecs("third")...)
	message := encoded(t, get("any.test", app))
	h := handlerOf(t, first, nil)
	ask := func(when, want string, set *policy.Set) {
		t.Helper()
		x := h.Begin("")
		defer x.End()
		answer, err := x.Process(t.Context(), nil, message)
		if err != nil {
			t.Fatal(err)
		}
		if got := exposed(answer); got != want || h.Set() != set {
			t.Errorf("%s: %q", when, got)
		}
	}
	ask("at first", "x-first", first)
	commit := servertest.Prepare(t, h, second)
	servertest.Prepare(t, h, third)
	ask("before the commit", "x-first", first)
	commit()
	ask("after it", "x-second", second)
}

func TestExchangeKeepsItsSet(t *testing.T) {
	h := handlerOf(t, policytest.Compile(t, generationSpecs("first")...), nil)
	x := h.Begin("")
	defer x.End()
	message := encoded(t, get("any.test", app))
	if _, err := x.Process(t.Context(), nil, message); err != nil {
		t.Fatal(err)
	}
	servertest.Prepare(t, h, policytest.Compile(t, generationSpecs("second")...))()
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
	sets := make([]*policy.Set, 4)
	for i := range sets {
		specs := generationSpecs(fmt.Sprint(i))
		specs[0].CORS.AllowOrigins = []string{"https://*.example.com"}
		sets[i] = policytest.Compile(t, specs...)
	}
	h := handlerOf(t, sets[0], nil)
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
		servertest.Prepare(t, h, sets[i%len(sets)])()
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
