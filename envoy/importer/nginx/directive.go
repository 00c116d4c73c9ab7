package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/nginxinc/nginx-go-crossplane"

	"github.com/corsgate/corsgate/envoy/importer/source"
)

// directive is one directive with its place; includes are written out.
type directive struct {
	source.Place
	name  string
	args  []string
	block []*directive
}

func (d *directive) arg(i int) string {
	if i < len(d.args) {
		return d.args[i]
	}
	return ""
}

// all returns the directives of that name that stand directly in list.
func all(list []*directive, name string) (found []*directive) {
	for _, d := range list {
		if d.name == name {
			found = append(found, d)
		}
	}
	return found
}

// walk calls visit for each directive of list and of its blocks.
func walk(list []*directive, visit func(*directive)) {
	for _, d := range list {
		visit(d)
		walk(d.block, visit)
	}
}

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
	included map[string]bool
	count    int
	findings []source.Finding
}

func newLoader() *loader {
	return &loader{
		files: map[string][]*directive{}, home: map[string]string{}, included: map[string]bool{},
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
		if !read[l.texts[name]] { // else it is read by another name, as sites-enabled has it
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
		named := map[string]bool{}
		for _, f := range conf {
			_ = l.add(f)
			walk(l.files[path.Clean(f.Path)], func(d *directive) {
				for _, name := range l.named(d) {
					named[name] = true
				}
			})
		}
		conf = nil
		others = slices.DeleteFunc(slices.Clone(others), func(f source.File) bool {
			if !named[path.Clean(f.Path)] {
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
	parts := begins.FindAllSubmatchIndex(f.Text, -1)
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
		// A pattern without a folder would find what is not meant.
		if !path.IsAbs(d.arg(0)) || !more || !strings.Contains(rest, "/") && strings.ContainsAny(rest, "*?[") {
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
		if names == nil && !slices.Contains(foreign, path.Base(d.arg(0))) && !strings.Contains(d.arg(0), "modules-enabled") {
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

// endings are what parts of a file lack that were pasted.
var endings = []string{"", ";", "}", ";}", "}}", "}}}"}

// fence finds the lines around code in Markdown, and dots that stand for what is left out.
var fence = regexp.MustCompile("(?m)^\\s*(?:```.*|\\.\\.\\.|…)\\s*$")

// parse reads one file. It tells if the file ends early.
func parse(f source.File) (list []*directive, told []source.Finding, err error) {
	f.Text = fence.ReplaceAllLiteral(f.Text, nil)
	for _, ending := range endings {
		g := f
		if ending != "" {
			g.Text = slices.Concat(f.Text, []byte("\n"), []byte(ending))
		}
		list, bad := parseWhole(g)
		if bad == nil && ending != "" {
			told = []source.Finding{{
				Fidelity: source.Decide, Place: source.Place{File: f.Path, Line: bytes.Count(f.Text, []byte("\n")) + 1, Column: 1}, Value: ending,
				Message: "the file ends early: read as if it ended with the value",
			}}
		}
		if bad == nil {
			return list, told, nil
		}
		if err == nil {
			err = bad
		}
		if !strings.Contains(bad.Error(), " end of file") {
			break
		}
	}
	if at := template.FindIndex(f.Text); at != nil {
		place := source.Place{File: f.Path, Line: bytes.Count(f.Text[:at[0]], []byte("\n")) + 1, Column: at[0] - bytes.LastIndexByte(f.Text[:at[0]], '\n')}
		return nil, nil, fmt.Errorf("%s: this is a template: render it first, and import what comes out", place)
	}
	return nil, nil, err
}

// template finds what templates of Jinja, Go and ERB have.
var template = regexp.MustCompile(`\{\{|\{%|<%`)

func parseWhole(f source.File) (list []*directive, err error) {
	defer func() {
		if recover() != nil { // crossplane does not stand "if ();"
			list, err = nil, fmt.Errorf("%s: this is not an nginx.conf, or a part of one: an if has no condition", f.Path)
		}
	}()
	lua := &crossplane.Lua{}
	payload, err := crossplane.Parse(f.Path, &crossplane.ParseOptions{
		Open:                      func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Text)), nil },
		StopParsingOnError:        true,
		SingleFile:                true,
		SkipDirectiveContextCheck: true,
		SkipDirectiveArgsCheck:    true,
		LexOptions:                crossplane.LexOptions{Lexers: []crossplane.RegisterLexer{lua.RegisterLexer()}},
	})
	var bad *crossplane.ParseError
	switch {
	case errors.As(err, &bad):
		at := source.Place{File: f.Path}
		if bad.Line != nil {
			at.Line, at.Column = *bad.Line, 1
		}
		return nil, fmt.Errorf("%s: %s", at, bad.What)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	case len(payload.Config) == 0:
		return nil, nil
	}
	p := places{file: f.Path, lines: bytes.Split(f.Text, []byte("\n"))}
	return p.convert(payload.Config[0].Parsed), nil
}

// places finds the columns of directives, which crossplane does not keep.
type places struct {
	file  string
	lines [][]byte
	line  int
	from  int // where the next directive of line may begin
}

func (p *places) convert(list crossplane.Directives) []*directive {
	var out []*directive
	for _, d := range list {
		e := &directive{Place: p.place(d), name: d.Directive}
		for _, arg := range d.Args {
			e.args = append(e.args, unescape(arg))
		}
		if d.IsMapBlockParameter {
			e.name = unescape(e.name)
		}
		e.block = p.convert(d.Block)
		out = append(out, e)
	}
	return out
}

func (p *places) place(d *crossplane.Directive) source.Place {
	at := source.Place{File: p.file, Line: d.Line, Column: 1}
	if d.Line < 1 || d.Line > len(p.lines) {
		return at
	}
	if d.Line != p.line {
		p.line, p.from = d.Line, 0
	}
	line := p.lines[d.Line-1]
	if i := bytes.Index(line[p.from:], []byte(d.Directive)); i >= 0 && d.Directive != "" {
		at.Column = p.from + i + 1
		p.from = min(len(line), p.from+i+len(d.Directive))
	}
	return at
}

// unescape does what nginx does with a backslash (ngx_conf_read_token): one in front of a
// quote or a backslash goes, and \t, \r and \n stand for white space.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		switch i++; s[i] {
		case '"', '\'', '\\':
			b.WriteByte(s[i])
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		default:
			b.WriteByte('\\')
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
