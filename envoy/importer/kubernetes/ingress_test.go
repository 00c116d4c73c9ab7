package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/importer/kubernetes"
	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/envoy/importer/tree"
)

func TestServes(t *testing.T) {
	classes := kubernetes.Classes{"edge": "k8s.io/ingress-nginx", "nginx-plus": "nginx.org/ingress-controller"}
	for class, want := range map[string]kubernetes.Serves{
		"": kubernetes.Maybe, "internal": kubernetes.Maybe, "brokong": kubernetes.Maybe,
		"nginx": kubernetes.Yes, "internal-nginx": kubernetes.Yes, "edge": kubernetes.Yes,
		"nginx-plus": kubernetes.No, "kong": kubernetes.No, "my-traefik": kubernetes.No,
	} {
		if got := classes.Serves(class, kubernetes.Nginx); got != want {
			t.Errorf("class %q: %d, want %d", class, got, want)
		}
	}
}

func TestServedBy(t *testing.T) {
	docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(`
{kind: Ingress, metadata: {name: by-class}, spec: {ingressClassName: nginx}}
---
{kind: Ingress, metadata: {name: by-annotation, annotations: {nginx.ingress.kubernetes.io/enable-cors: "true"}}, spec: {ingressClassName: internal}}
---
{kind: Ingress, metadata: {name: of-that-class}, spec: {ingressClassName: internal}}
---
{kind: Ingress, metadata: {name: without-class}}
---
{kind: Ingress, metadata: {name: by-old-class, annotations: {kubernetes.io/ingress.class: nginx}}, spec: {ingressClassName: traefik}}
---
{kind: Ingress, metadata: {name: other-class}, spec: {ingressClassName: other}}
---
{kind: Ingress, metadata: {name: foreign}, spec: {ingressClassName: kong}}
---
{kind: Ingress, metadata: {name: read-elsewhere, annotations: {konghq.com/plugins: cors}}, spec: {ingressClassName: kong}}
---
{kind: Ingress, metadata: {name: read-by-kong, annotations: {konghq.com/strip-path: "true"}}}
---
{kind: Service, metadata: {name: none}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	g := kubernetes.ServedBy(kubernetes.Nginx, docs, func(i *kubernetes.Ingress) bool { return i.Name == "by-annotation" })
	if own := names(g.Own); own != "by-class by-annotation of-that-class without-class by-old-class" {
		t.Error("own:", own)
	}
	if others := names(g.Others); others != "other-class foreign" {
		t.Error("others:", others)
	}
	if g.Find(docs[0]) == nil || g.Find(docs[7]) != nil || g.Find(docs[8]) != nil || g.Find(docs[9]) != nil {
		t.Error("Find does not fit the group")
	}
}

// TestRivals gives two Ingresses paths that one of the controller has, too.
func TestRivals(t *testing.T) {
	docs, err := tree.Parse(source.File{Path: "a.yaml", Text: []byte(`
{kind: Ingress, metadata: {name: alb}, spec: {ingressClassName: alb, rules: [{host: A.test, http: {paths: [{path: /}, {path: /more}]}}]}}
---
{kind: Ingress, metadata: {name: unknown}, spec: {ingressClassName: internal, rules: [{host: a.test, http: {paths: [{path: /api/}]}}, {host: b.test}]}}
---
{kind: Ingress, metadata: {name: all-taken}, spec: {ingressClassName: internal, rules: [{host: c.test}]}}
---
{kind: Ingress, metadata: {name: own}, spec: {ingressClassName: kong, rules: [{host: a.test, http: {paths: [{path: /}, {path: /api, pathType: Prefix}]}}, {host: c.test, http: {paths: [{path: /}]}}]}}
`)})
	if err != nil {
		t.Fatal(err)
	}
	g := kubernetes.ServedBy(kubernetes.Kong, docs, func(*kubernetes.Ingress) bool { return false })
	if others := names(g.Others); others != "alb unknown" {
		t.Fatal("others:", others)
	}
	if left := g.Others[0].Rules; len(left) != 1 || len(left[0].Paths) != 1 || left[0].Paths[0].Text.Text != "/more" {
		t.Error("left of alb:", left)
	}
	if left := g.Others[1].Rules; len(left) != 1 || left[0].Host.Text != "b.test" || left[0].Paths != nil {
		t.Error("left of unknown:", left)
	}
	for host, want := range map[string]string{
		"a.test": "differs alb, dropped alb, decide internal", "c.test": "decide internal", "*.test": "differs alb, differs internal, dropped alb, decide internal, decide internal", "d.test": "",
	} {
		var got []string
		for _, f := range g.Beside("Kong", []source.Route{{Hosts: []string{host}, CORS: &source.CORS{}}, {}}) {
			got = append(got, string(f.Fidelity)+" "+f.Value)
		}
		if all := strings.Join(got, ", "); all != want {
			t.Errorf("%s: %s, want %s", host, all, want)
		}
	}
}

func names(list []*kubernetes.Ingress) string {
	var all []string
	for _, i := range list {
		all = append(all, i.Name)
	}
	return strings.Join(all, " ")
}
