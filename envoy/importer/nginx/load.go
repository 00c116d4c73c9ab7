package nginx

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// maxInclude is how deep files may include each other.
const maxInclude = 20

// maxDirectives bounds what files that include each other many times stand for.
const maxDirectives = 200_000

// loader writes out the includes of a tree of files.
type loader struct {
	names    []string          // in the order of the input
	texts    map[string]string // of names
	again    map[string]bool   // names of files that have another one
	files    map[string][]*directive
	home     map[string]string // of a file that the user gave: the folder that its includes are relative to
	folders  map[string]string // of a file that the user gave: the folder that was named, if one was
	dumps    map[string]bool   // files that the user gave: what nginx -T prints
	included map[string]bool
	count    int
	findings []source.Finding
}

func newLoader() *loader {
	return &loader{
		files: map[string][]*directive{}, home: map[string]string{}, included: map[string]bool{},
		folders: map[string]string{}, dumps: map[string]bool{},
		texts: map[string]string{}, again: map[string]bool{},
	}
}

// load returns the directives of each file that no other one includes. In a folder with an
// nginx.conf only that is such a file.
func load(files []source.File) (roots [][]*directive, findings []source.Finding, err error) {
	l := newLoader()
	for _, f := range files {
		if err := l.add(f); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range l.names {
		walk(l.files[name], func(d *directive) {
			for _, named := range l.named(d) {
				l.included[named] = true
			}
		})
	}
	for _, name := range l.roots() {
		list, err := l.expand(l.files[name], 0)
		if err != nil {
			return nil, nil, err
		}
		roots = append(roots, list)
	}
	if slices.ContainsFunc(l.findings, isMissing) { // one that is left may be what is missing
		for i := range l.findings {
			if l.findings[i].Field == "include" {
				l.findings[i].Fidelity = source.Decide
			}
		}
	}
	if roots == nil && len(files) > 0 {
		return nil, nil, fmt.Errorf("%s: the files include each other in a circle", files[0].Path)
	}
	return roots, l.findings, nil
}

// isMissing reports whether a finding is about an include whose file is not in the input.
func isMissing(f source.Finding) bool { return f.Field == "include" && f.Fidelity == source.Decide }

// roots returns the files to begin with, and tells which ones nothing leads to.
func (l *loader) roots() (names []string) {
	var folders []string // of each nginx.conf
	for _, name := range l.names {
		if l.included[name] || l.again[name] {
			continue
		}
		names = append(names, name)
		if path.Base(name) == "nginx.conf" && len(all(l.files[name], "http")) > 0 {
			folders = append(folders, path.Dir(name))
		}
	}
	read := map[string]bool{}
	for name := range l.included {
		read[l.texts[name]] = true
	}
	var left []string
	names = slices.DeleteFunc(names, func(name string) bool {
		isMain := path.Base(name) == "nginx.conf"
		if isMain || !slices.ContainsFunc(folders, func(dir string) bool { return dir == "." || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") }) {
			return false
		}
		if !read[l.texts[name]] && l.mentions(name, map[string]bool{}) { // else it is read by another name, as sites-enabled has it
			left = append(left, name)
		}
		return true
	})
	if left != nil {
		l.findings = append(l.findings, source.Finding{
			Fidelity: source.Dropped, Place: source.Place{File: left[0]}, Field: "include", Value: strings.Join(left[:min(len(left), maxNames)], ", "),
			Message: notReached(len(left)),
			Hint:    "name them without the nginx.conf if they are in use",
		})
	}
	return names
}

// aboutCORS finds words of CORS.
var aboutCORS = regexp.MustCompile(`(?i)access-control-|http_origin|cors`)

// mentions reports whether a file, or one that it includes, has a word of CORS.
func (l *loader) mentions(name string, seen map[string]bool) (yes bool) {
	if seen[name] || aboutCORS.MatchString(l.texts[name]) {
		return !seen[name]
	}
	seen[name] = true
	walk(l.files[name], func(d *directive) {
		yes = yes || slices.ContainsFunc(l.named(d), func(named string) bool { return l.mentions(named, seen) })
	})
	return yes
}

// maxNames is how many files a finding names.
const maxNames = 10

func notReached(n int) string {
	if n == 1 {
		return "no include of nginx.conf leads to this file, so nginx does not read it: it is left out"
	}
	return fmt.Sprintf("no include of nginx.conf leads to these %d files, so nginx does not read them: they are left out", n)
}

// Included returns those of others that the files of an nginx.conf include, and what these
// include. A file that cannot be read includes nothing.
func Included(conf, others []source.File) (found []source.File) {
	l := newLoader()
	for _, f := range others {
		l.files[path.Clean(f.Path)] = nil
	}
	for len(conf) > 0 {
		var names []string
		for _, f := range conf {
			_ = l.add(f)
			walk(l.files[path.Clean(f.Path)], func(d *directive) { names = append(names, l.named(d)...) })
		}
		conf = nil
		others = slices.DeleteFunc(slices.Clone(others), func(f source.File) bool {
			if !slices.Contains(names, path.Clean(f.Path)) {
				return false
			}
			conf = append(conf, f)
			return true
		})
		found = append(found, conf...)
	}
	return found
}

// begins finds where a file begins in what nginx -T prints.
var begins = regexp.MustCompile(`(?m)^# configuration file (.+):\r?$`)

// add parses a file, or the files in what nginx -T prints.
func (l *loader) add(f source.File) error {
	name, from := path.Clean(f.Path), 0
	l.home[f.Path] = path.Dir(name)
	if f.Folder != "" {
		l.folders[f.Path] = path.Clean(f.Folder)
	}
	parts := begins.FindAllSubmatchIndex(f.Text, -1)
	l.dumps[f.Path] = len(parts) > 0
	for i, p := range append(parts, nil) {
		to := len(f.Text)
		if i < len(parts) {
			to = p[0]
		}
		if i == 0 && len(parts) > 0 {
			l.home[f.Path] = path.Dir(string(f.Text[p[2]:p[3]]))
		} else if err := l.parse(name, f, from, to); err != nil {
			return err
		}
		if i < len(parts) {
			name, from = path.Clean(string(f.Text[p[2]:p[3]])), to
		}
	}
	return nil
}

// parse parses a part of a file; what is in front of it counts as empty lines.
func (l *loader) parse(name string, f source.File, from, to int) error {
	above := bytes.Count(f.Text[:from], []byte("\n"))
	text := append(bytes.Repeat([]byte("\n"), above), f.Text[from:to]...)
	list, told, err := parse(source.File{Path: f.Path, Text: text})
	l.findings = append(l.findings, told...)
	l.names, l.files[name] = append(l.names, name), list
	l.texts[name], l.again[name] = string(f.Text[from:to]), f.Again
	return err
}

// named returns the files of the input that an include names. A path is relative to the
// folder of the main file, which may be above the one that includes it. Of an absolute
// path, the folders that the input does not have are left out.
func (l *loader) named(d *directive) []string {
	if d.name != "include" || d.arg(0) == "" {
		return nil
	}
	if path.IsAbs(d.arg(0)) {
		if found := l.glob(path.Clean(d.arg(0))); found != nil {
			return found
		}
	}
	pattern := strings.TrimPrefix(path.Clean(d.arg(0)), "/")
	for {
		for dir := l.home[d.File]; ; dir = path.Dir(dir) {
			if found := l.glob(path.Join(dir, pattern)); found != nil {
				return found
			}
			if dir == path.Dir(dir) {
				break
			}
		}
		_, rest, more := strings.Cut(pattern, "/")
		first, _, _ := strings.Cut(rest, "/")
		// A pattern without the name of a folder would find what is not meant.
		if !path.IsAbs(d.arg(0)) || !more || strings.ContainsAny(first, "*?[") {
			return nil
		}
		pattern = rest
	}
}

func (l *loader) glob(pattern string) (found []string) {
	for name := range l.files {
		if ok, err := path.Match(pattern, name); err == nil && ok || name == pattern {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// foreign are files that come with nginx and have nothing about CORS.
var foreign = []string{"mime.types", "fastcgi_params", "fastcgi.conf", "uwsgi_params", "scgi_params", "proxy_params", "koi-utf", "koi-win", "win-utf"}

// isForeign reports whether an include is of a file that comes with nginx, or of those that
// distributions have for modules.
func isForeign(pattern string) bool {
	return slices.Contains(foreign, path.Base(pattern)) || strings.Contains(pattern, "modules-enabled") || strings.HasSuffix(pattern, "/modules/*.conf")
}

// prefixes are the folders of nginx.conf, as nginx is built and packaged.
var prefixes = []string{"/etc/nginx", "/usr/local/nginx/conf", "/usr/local/etc/nginx", "/opt/homebrew/etc/nginx", "/usr/local/openresty/nginx/conf"}

// findsNone reports whether nginx, too, finds no file for an include with a star, and takes it for
// nothing: the input has all that nginx reads, or the whole folder that nginx looks in.
func (l *loader) findsNone(d *directive) bool {
	if !strings.ContainsAny(d.arg(0), "*?[") {
		return false
	}
	if l.dumps[d.File] {
		return true
	}
	prefix, found := l.prefix(d.File)
	if !found {
		return false
	}
	dir := path.Dir(path.Clean(d.arg(0)))
	switch {
	case !path.IsAbs(d.arg(0)):
		return isBelow(path.Join(prefix, dir), l.folders[d.File])
	case path.IsAbs(prefix):
		return isBelow(dir, l.folders[d.File])
	}
	return slices.ContainsFunc(prefixes, func(usual string) bool { return isBelow(dir, usual) })
}

// prefix is the folder of the nginx.conf that a file belongs to, if the folder that the user named
// has it.
func (l *loader) prefix(file string) (dir string, found bool) {
	for dir = path.Dir(path.Clean(file)); l.folders[file] != "" && isBelow(dir, l.folders[file]); dir = path.Dir(dir) {
		if _, found = l.files[path.Join(dir, "nginx.conf")]; found || dir == path.Dir(dir) {
			return dir, found
		}
	}
	return "", false
}

// isBelow reports whether a path is a folder, or below it.
func isBelow(name, folder string) bool {
	rest, err := filepath.Rel(folder, name)
	return err == nil && filepath.IsLocal(rest)
}

func (l *loader) expand(list []*directive, depth int) ([]*directive, error) {
	var out []*directive
	for _, d := range list {
		if l.count++; l.count > maxDirectives {
			return nil, fmt.Errorf("%s: the includes stand for more than %d directives", d.Place, maxDirectives)
		}
		if d.name != "include" {
			e := *d
			var err error
			if e.block, err = l.expand(d.block, depth); err != nil {
				return nil, err
			}
			out = append(out, &e)
			continue
		}
		if depth == maxInclude {
			return nil, fmt.Errorf("%s: the files include each other more than %d deep", d.Place, maxInclude)
		}
		names := l.named(d)
		if names == nil && !isForeign(d.arg(0)) && !l.findsNone(d) {
			l.findings = append(l.findings, source.Finding{
				Fidelity: source.Decide, Place: d.Place, Field: "include", Value: d.arg(0),
				Message: "the included file is not in the input, so what it says about CORS is not known",
				Hint:    "give the whole folder, or the output of nginx -T",
			})
		}
		for _, name := range names {
			more, err := l.expand(l.files[name], depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}
