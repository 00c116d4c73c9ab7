package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
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

// all returns the directives of these names that stand directly in list.
func all(list []*directive, names ...string) (found []*directive) {
	for _, d := range list {
		if slices.Contains(names, d.name) {
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
