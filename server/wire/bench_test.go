package wire_test

import (
	"testing"

	modev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_proc/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/protobuf/proto"

	"github.com/corsgate/corsgate/policy"
)

// sample is a message that comes often, with what has come before it.
type sample struct {
	name    string
	before  []byte // the same stream's message before, which is not measured
	message []byte
	check   bool // it is a CheckRequest
}

// samples have the headers that a configuration with forward_rules sends.
func samples(t testing.TB) []sample {
	request := func(m *extprocv3.ProcessingRequest) []byte {
		headers := m.GetRequestHeaders().GetHeaders()
		headers.Headers = append(headers.Headers, headerMap(":scheme: https", "sec-fetch-site: cross-site", "content-type: application/json").GetHeaders()...)
		return encoded(t, withAttributes(asking(m, modev3.ProcessingMode_NONE, modev3.ProcessingMode_NONE, true), filterName, map[string]any{
			eitherPolicy: "list",
		}))
	}
	allowed := request(get("list.test", app))
	question := question{check: asked("GET", "list.test", true, ":scheme: https", "origin: "+app, "sec-fetch-site: cross-site", "content-type: application/json")}
	return []sample{
		{name: "request", message: allowed},
		{name: "denied", message: request(get("list.test", evil))},
		{name: "response", before: allowed, message: encoded(t, responseMessage(":status: 200", "vary: Accept-Encoding", "access-control-allow-origin: *"))},
		{name: "preflight", message: request(preflight("list.test", app, "PUT", "access-control-request-headers: authorization,content-type"))},
		{name: "check", message: question.encoded(t), check: true},
	}
}

// answerer answers the messages of one stream or call.
type answerer func(dst, message []byte) ([]byte, error)

// wireAnswerer answers with the package.
func wireAnswerer(t testing.TB, set *policy.Set, s sample) answerer {
	x := handlerOf(t, set, nil).Begin("")
	ask := func(dst, message []byte) ([]byte, error) { return x.Process(t.Context(), dst, message) }
	if s.check {
		ask = func(dst, message []byte) ([]byte, error) { return x.Check(t.Context(), dst, message) }
	}
	return after(t, s, ask)
}

// generatedAnswerer answers as a server does that uses the generated code.
func generatedAnswerer(t testing.TB, set *policy.Set, s sample) answerer {
	o := &oracle{serves: set, observe: func(*policy.Request, *policy.Decision) {}}
	ask := func(_, message []byte) ([]byte, error) {
		out, _, err := o.process(message)
		if err != nil {
			return nil, err
		}
		return proto.Marshal(out)
	}
	if s.check {
		ask = func(_, message []byte) ([]byte, error) {
			out, _, err := o.check(message)
			if err != nil {
				return nil, err
			}
			return proto.Marshal(out)
		}
	}
	return after(t, s, ask)
}

// after has what comes before s answered.
func after(t testing.TB, s sample, ask answerer) answerer {
	t.Helper()
	if s.before == nil {
		return ask
	}
	if _, err := ask(nil, s.before); err != nil {
		t.Fatal(err)
	}
	return ask
}

// BenchmarkExchange compares decoding, deciding and encoding with the
// generated code and with this package.
func BenchmarkExchange(b *testing.B) {
	set := testSet(b)
	for _, side := range []struct {
		name string
		of   func(testing.TB, *policy.Set, sample) answerer
	}{{"generated", generatedAnswerer}, {"wire", wireAnswerer}} {
		b.Run(side.name, func(b *testing.B) {
			for _, s := range samples(b) {
				b.Run(s.name, func(b *testing.B) { benchmark(b, side.of(b, set, s), s.message) })
			}
		})
	}
}

func benchmark(b *testing.B, ask answerer, message []byte) {
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		answer, err := ask(buf[:0], message)
		if err != nil {
			b.Fatal(err)
		}
		buf = answer
	}
	b.SetBytes(int64(len(message) + len(buf)))
}

func TestAnswersDoNotAllocate(t *testing.T) {
	set := testSet(t)
	for _, s := range samples(t) {
		t.Run(s.name, func(t *testing.T) {
			ask := wireAnswerer(t, set, s)
			buf := make([]byte, 0, 4<<10)
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := ask(buf, s.message); err != nil {
					t.Error(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations a message, want none", allocs)
			}
		})
	}
}
