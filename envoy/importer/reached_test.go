package importer_test

import (
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
)

// reachedRoute is a route in a list of which the first that matches counts.
func reachedRoute(name, path string, kind source.PathKind, origin source.Origin) source.Route {
	return source.Route{
		Name: name, Paths: []source.Path{{Text: text(path), Kind: kind}},
		CORS: &source.CORS{Origins: []source.Origin{origin}},
	}
}

// wantTold wants a decision to be told with these texts.
func wantTold(t *testing.T, c source.Config, texts ...string) {
	t.Helper()
	if r := importer.Translate(importer.Options{}, c); !says(r, source.Decide, texts...) {
		t.Errorf("nothing to decide says %q:\n%s%s", texts, r.Text(), r.Report())
	}
}

// A prefix of text behind one of whole segments answers what the latter leaves.
func TestRouteIsReachedBesideSegments(t *testing.T) {
	app, other := exact("https://app.example"), exact("https://other.example")
	c := source.Config{Choose: source.First, Routes: []source.Route{
		reachedRoute("segments", "/a", source.Segments, app),
		reachedRoute("text", "/a", source.StringPath, other),
		reachedRoute("rest", "/", source.StringPath, app),
	}}
	wantTold(t, c, "/a", "/ax is decided like policy rest")
}

// A route without a policy of its own answers some requests, and what it allows is left out.
func TestRouteWithoutPolicyIsTold(t *testing.T) {
	glob := source.EnvoyOrigin(text("https://*.*.app.example/*"), source.EnvoyRegex)
	c := source.Config{Choose: source.First, Routes: []source.Route{
		reachedRoute("below", "/a/", source.StringPath, exact("https://app.example")),
		reachedRoute("exact", "/a", source.ExactPath, glob),
	}}
	c.Routes[0].CORS = nil
	wantTold(t, c, "https://*.*.app.example/*", "left out")
}

// What a route with conditions would answer may be decided by policies of wider hosts, and of
// longer paths.
func TestRouteWithConditionsIsTold(t *testing.T) {
	c := source.Config{Choose: source.First, Routes: []source.Route{
		reachedRoute("aside", "/", source.StringPath, exact("https://app.example")),
		reachedRoute("wide", "/a", source.Segments, exact("https://app.example")),
	}}
	c.Routes[0].Hosts, c.Routes[0].CORS = []string{"*.a.example"}, nil
	c.Routes[0].Conditions = []source.Text{{Text: "host *-eu.a.example"}}
	if r := importer.Translate(importer.Options{}, c); !says(r, source.Widened, "host *-eu.a.example", "like policy wide, which allows https://app.example") {
		t.Errorf("the report does not say it:\n%s%s", r.Text(), r.Report())
	}
}
