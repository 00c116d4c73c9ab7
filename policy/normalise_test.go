package policy

import (
	"reflect"
	"testing"
)

func TestNormaliseGivesTheOneNormalForm(t *testing.T) {
	age := 600
	in := Spec{
		Name: "api", Hosts: []string{"b.test", "a.test", "b.test"}, Paths: []string{"/v1/", "/v1", "/"},
		CORS: CORS{
			AllowOrigins: []string{"https://b.test", "https://a.test", "https://b.test"}, AllowMethods: []string{"PUT", "PUT", "patch", "*"},
			AllowHeaders: []string{"X-A", "x-a", "*"}, ExposeHeaders: []string{"X-B"}, MaxAge: &age,
		},
		Mode: ModeEnforce, UpstreamHeaders: UpstreamReplace, UnmatchedPreflights: UnmatchedReject, DeniedRequests: DeniedPass,
		PreflightStatus: 204, PreflightLists: ListsFull, Dangerously: []OptIn{OptInNullOrigin, OptInNullOrigin},
	}
	want := Spec{
		Name: "api", Hosts: []string{"b.test", "a.test"}, Paths: []string{"/v1", "/"},
		CORS: CORS{
			AllowOrigins: []string{"https://b.test", "https://a.test"}, AllowMethods: []string{"PUT", "patch", "*"},
			AllowHeaders: []string{"x-a", "*"}, ExposeHeaders: []string{"x-b"}, MaxAge: &age,
		},
		Dangerously: []OptIn{OptInNullOrigin},
	}
	got := normalise(in)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if again := normalise(got); !reflect.DeepEqual(again, got) {
		t.Errorf("again: got  %+v\nwant %+v", again, got)
	}
	if got.CORS.AllowOrigins[0] = "changed"; in.CORS.AllowOrigins[0] != "https://b.test" || got.CORS.MaxAge == in.CORS.MaxAge {
		t.Error("the result shares memory with what it was made of")
	}
}

func TestNormaliseKeepsWhatIsNotTheDefault(t *testing.T) {
	in := change(func(s *Spec) {
		s.Mode, s.UpstreamHeaders, s.UnmatchedPreflights, s.DeniedRequests = ModeOff, UpstreamDefer, UnmatchedForward, DeniedBlock
		s.PreflightStatus, s.PreflightLists, s.Debug, s.AllowPrivateNetwork = 200, ListsRequested, true, true
	})
	if got := normalise(in); !reflect.DeepEqual(got, in) {
		t.Errorf("got  %+v\nwant %+v", got, in)
	}
}

func FuzzNormaliseIsIdempotentAndKeepsValidity(f *testing.F) {
	f.Add("api", "a.test", "/v1/", "https://a.test", "PUT", "X-A", 204)
	f.Add("", "*.A.test", "/v1//", "*", "patch", "*", 200)
	f.Fuzz(func(t *testing.T, n, host, path, origin, method, header string, status int) {
		s := Spec{
			Name: n, Hosts: []string{host, host}, Paths: []string{path, path + "/"}, PreflightStatus: status,
			CORS: CORS{AllowOrigins: []string{origin, origin}, AllowMethods: []string{method}, AllowHeaders: []string{header}, ExposeHeaders: []string{header}},
		}
		once := normalise(s)
		if twice := normalise(once); !reflect.DeepEqual(twice, once) {
			t.Fatalf("once  %+v\ntwice %+v", once, twice)
		}
		if !problemsOf(s).HasErrors() && problemsOf(once).HasErrors() {
			t.Fatalf("valid, but its normal form is not: %v", problemsOf(once))
		}
	})
}
