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
	if !g.Has(docs[0]) || g.Has(docs[7]) || g.Has(docs[8]) || g.Has(docs[9]) {
		t.Error("Has does not fit the group")
	}
}

func names(list []*kubernetes.Ingress) string {
	var all []string
	for _, i := range list {
		all = append(all, i.Name)
	}
	return strings.Join(all, " ")
}
