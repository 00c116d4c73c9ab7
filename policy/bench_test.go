package policy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkDecide measures decisions against the number of origins: the time
// must not grow with it.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1, 10, 1000, 100_000} {
		spec := exampleSpec()
		spec.CORS.AllowOrigins = manyOrigins("https://t%d.example.com", n)
		set := mustCompile(b, spec)
		hit := Request{Method: "GET", Authority: "api.example.com", Path: "/v1/x", Origin: spec.CORS.AllowOrigins[n/2]}
		miss := with(hit, func(r *Request) { r.Origin = "https://evil.test" })
		preflight := with(hit, func(r *Request) {
			r.Method, r.RequestMethod, r.RequestHeaders = "OPTIONS", "PUT", "content-type,x-a"
		})
		for name, r := range map[string]Request{"hit": hit, "miss": miss, "preflight": preflight} {
			b.Run(fmt.Sprintf("exact/%d/%s", n, name), func(b *testing.B) { decideN(b, set, r) })
		}
		spec.CORS.AllowOrigins = manyOrigins("https://*.t%d.example.com", n)
		set = mustCompile(b, spec)
		hit.Origin = strings.Replace(spec.CORS.AllowOrigins[n/2], "*", "a", 1)
		b.Run(fmt.Sprintf("wildcard/%d/hit", n), func(b *testing.B) { decideN(b, set, hit) })
		b.Run(fmt.Sprintf("wildcard/%d/miss", n), func(b *testing.B) { decideN(b, set, miss) })
	}
}

func manyOrigins(format string, n int) []string {
	origins := make([]string, n)
	for i := range origins {
		origins[i] = fmt.Sprintf(format, i)
	}
	return origins
}

func decideN(b *testing.B, set *Set, r Request) {
	b.ReportAllocs()
	for b.Loop() {
		d := set.Decide(&r)
		if d.Answer == nil {
			b.Fatal("no answer")
		}
	}
}

// BenchmarkDecidePolicies measures decisions against the number of hosts.
func BenchmarkDecidePolicies(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		specs := make([]Spec, n)
		for i := range specs {
			specs[i] = exampleSpec()
			specs[i].Name, specs[i].Hosts = fmt.Sprintf("p%d", i), []string{fmt.Sprintf("h%d.test", i)}
		}
		set := mustCompile(b, specs...)
		r := Request{Method: "GET", Authority: fmt.Sprintf("h%d.test", n/2), Path: "/v1/x", Origin: "https://example.com"}
		b.Run(fmt.Sprint(n), func(b *testing.B) { decideN(b, set, r) })
	}
}

// BenchmarkDecideHostileHeaders compares sizes of a hostile
// Access-Control-Request-Headers: beyond the bound nothing is read.
func BenchmarkDecideHostileHeaders(b *testing.B) {
	set := mustCompile(b, exampleSpec())
	for _, size := range []int{1 << 10, 64 << 10} {
		for _, fill := range []string{",", " ", "a"} {
			r := Request{Method: "OPTIONS", Authority: "api.example.com", Path: "/v1", Origin: "https://example.com", RequestMethod: "PUT", RequestHeaders: strings.Repeat(fill, size)}
			b.Run(fmt.Sprintf("%d/%q", size, fill), func(b *testing.B) { decideN(b, set, r) })
		}
	}
}

// BenchmarkCompileMillion compiles one policy of 1,000,000 exact origins and
// reports the bytes an origin takes, its text included.
func BenchmarkCompileMillion(b *testing.B) {
	const n = 1_000_000
	for b.Loop() {
		before := heap()
		set := compileMany(b, n)
		b.ReportMetric((float64(heap())-float64(before))/n, "B/origin")
		runtime.KeepAlive(set)
	}
}

// compileMany leaves nothing behind but the set: b.Loop keeps alive what its
// body names.
func compileMany(b *testing.B, n int) *Set {
	spec := exampleSpec()
	spec.CORS.AllowOrigins = manyOrigins("https://tenant-%07d.example.com", n)
	return mustCompile(b, spec)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
