package importer_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

func text(s string) source.Text { return source.Text{Text: s} }

func list(items ...string) (n source.Names) {
	for _, item := range items {
		n.Items = append(n.Items, text(item))
	}
	return n
}

func exact(s string) source.Origin {
	return source.Origin{Text: text(s), Regex: prove.Literal(s)}
}

func whole(expr string) source.Origin {
	return source.Origin{Text: text(expr), Regex: prove.Regex{Expr: expr}}
}

func TestX(t *testing.T) {
	r := importer.Translate(importer.Options{}, source.Config{Routes: []source.Route{
		{Name: "api", Hosts: []string{"api.example.com:443"}, FirstMatch: true, Paths: []source.Path{{Text: text("/v1"), Kind: source.StringPath}}, CORS: &source.CORS{
			Origins: []source.Origin{exact("https://a.example.com"), whole(`https://.*\.example\.com`), whole(`https://.*acme\.com`), exact("https://B.example.org"), exact("http://x.example.org")},
			Methods: list("GET, PUT", "OPTIONS"), Headers: list("keep-alive", "X-A"), Expose: list("Origin"), Credentials: true, MaxAge: &source.MaxAge{Seconds: 1728000}, ForwardsUnmatched: true, KeepsUpstream: true,
		}},
		{Name: "api", Hosts: []string{"api.example.com"}, FirstMatch: true, CORS: &source.CORS{Origins: []source.Origin{{Text: text(".*"), Any: source.Reflected}}, Credentials: true, ForwardsUnmatched: true}},
		{Name: "late", Hosts: []string{"api.example.com"}, FirstMatch: true, CORS: &source.CORS{Origins: []source.Origin{{Text: text("*"), Any: source.Star}}, Credentials: true}},
	}})
	t.Log("\n" + string(r.Text()) + r.Report() + r.Summary())
	_ = strings.Join
}
