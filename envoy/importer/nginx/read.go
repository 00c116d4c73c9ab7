// Package nginx reads what nginx.conf says about CORS. It follows what nginx does with
// each kind of request, as far as a browser's question decides it.
package nginx

import (
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
	"github.com/corsgate/corsgate/policy/prove"
)

// Read reads the files of one nginx.conf tree, or fragments of one.
func Read(files []source.File) (source.Config, error) {
	roots, told, err := load(files)
	if err != nil {
		return source.Config{}, err
	}
	c, b := chooser{}, &budget{}
	out := source.Config{Choose: c.choose}
	for _, root := range roots {
		r := newReader(root, c, b)
		r.read(root)
		out.Routes = append(out.Routes, r.routes...)
		out.Findings = append(out.Findings, r.findings.list...)
	}
	if len(out.Routes)+len(out.Findings) == 0 {
		told = slices.DeleteFunc(told, func(f source.Finding) bool { return !isMissing(f) })
	}
	out.Findings = append(told, out.Findings...)
	return out, nil
}

type reader struct {
	conf     *config
	chooser  chooser
	routes   []source.Route
	silent   []source.Route // servers that have nothing about CORS
	findings findings
}

func newReader(root []*directive, c chooser, b *budget) *reader {
	r := &reader{chooser: c, conf: &config{
		maps: map[string]*mapping{}, set: map[string]bool{}, sent: map[*directive]bool{}, regexes: map[string]compiled{}, paths: map[prove.Regex]*pathRegex{},
		kinds: kinds{compared: map[string]bool{}, known: map[string]kind{}}, budget: b,
	}}
	walk(root, func(d *directive) {
		switch d.name {
		case "map":
			m := newMapping(d)
			r.conf.maps[strings.ToLower(strings.TrimPrefix(d.arg(1), "$"))] = m
			r.conf.every = append(r.conf.every, m)
			r.refused(m)
		case "set":
			r.conf.set[strings.ToLower(strings.TrimPrefix(d.arg(0), "$"))] = true
		}
		r.conf.see(d)
		r.unread(d)
	})
	return r
}

// read finds the servers, wherever a fragment begins.
func (r *reader) read(root []*directive) {
	sets, refuses := false, false
	walk(root, func(d *directive) {
		sets = sets || setsOrigin(d)
		refuses = refuses || d.name == "if" && strings.EqualFold(d.arg(0), "$"+varOrigin) && len(all(d.block, "return")) > 0
	})
	if !sets {
		root = append(slices.Clone(root), r.supposed(root)...)
		if len(r.findings.list) == 0 && !refuses {
			return
		}
	}
	outer := &scope{list: root}
	if http := all(root, "http"); len(http) > 0 {
		outer = &scope{list: http[0].block}
		for _, more := range http[1:] {
			outer.list = append(outer.list, more.block...)
		}
	}
	servers := all(outer.list, "server")
	if len(servers) == 0 {
		outer, servers = nil, fragment(outer.list)
	}
	r.servers(outer, servers)
	if !r.conf.isSpent() {
		r.unsent(root, false)
	}
}

// fragment returns a server that is not written around its locations, or around what a
// location has.
func fragment(list []*directive) []*directive {
	if len(list) == 0 {
		return nil
	}
	at := list[0].Place
	if len(all(list, "location")) == 0 {
		list = []*directive{{Place: at, name: "location", args: []string{"/"}, block: list}}
	}
	return []*directive{{Place: at, block: list}}
}

func (r *reader) servers(outer *scope, list []*directive) {
	var servers []*server
	l := listen(list)
	for _, d := range list {
		if s := r.server(outer, d, l); s != nil {
			servers = append(servers, s)
		}
	}
	r.share(servers, l)
	for _, s := range servers {
		r.add(s)
	}
	if len(servers) > 0 && servers[0].directive == list[0] {
		r.first(servers)
	}
	r.settle()
}
