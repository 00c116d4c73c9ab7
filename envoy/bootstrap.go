package envoy

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v4"
)

//go:embed bootstraps/*.tmpl
var bootstraps embed.FS

// YAML returns a whole bootstrap with comments, the traffic listener first.
func (c Config) YAML() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c.render("bootstrap.yaml.tmpl")
}

// JSON returns the bootstrap of YAML as JSON, with the protos' own snake_case
// names.
func (c Config) JSON() ([]byte, error) { return toJSON(c.YAML()) }

// Filters returns what to add to an existing Envoy, as one YAML object: http_filters
// (without the router), connection_manager (what it needs beside them), virtual_host (what
// to add to one) and cluster. Filters needs neither Listen nor Upstream.
func (c Config) Filters() ([]byte, error) {
	if err := c.validateFilters(); err != nil {
		return nil, err
	}
	return c.render("paste")
}

// FiltersJSON returns the object of Filters as JSON.
func (c Config) FiltersJSON() ([]byte, error) { return toJSON(c.Filters()) }

// toJSON turns YAML into indented JSON with a newline at its end.
func toJSON(doc []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	var v any
	if err := yaml.Unmarshal(doc, &v); err != nil {
		return nil, fmt.Errorf("read the generated yaml: %w", err)
	}
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write json: %w", err)
	}
	return append(out, '\n'), nil
}

// render executes one of the templates.
func (c Config) render(name string) ([]byte, error) {
	v, err := c.view()
	if err == nil && v.Compiled {
		v.Root, err = c.root()
	}
	if err != nil {
		return nil, err
	}
	return renderView(name, v)
}

func renderView(name string, v any) ([]byte, error) {
	t := template.New("").Option("missingkey=error")
	t.Funcs(template.FuncMap{
		"quote":    strconv.Quote,
		"word":     words,
		"indent":   indent,
		"item":     item,
		"endpoint": func(cluster string, a address) endpoint { return endpoint{cluster, a} },
		"include":  func(name string, data any) (string, error) { return include(t, name, data) },
	})
	if _, err := t.ParseFS(bootstraps, "bootstraps/*.tmpl"); err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	text, err := include(t, name, v)
	return []byte(strings.TrimSpace(text) + "\n"), err
}

// include executes a template into a string, so that it can be indented.
func include(t *template.Template, name string, data any) (string, error) {
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, name, data); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return strings.Trim(out.String(), "\n"), nil
}

// indent puts n spaces before each line but the first.
func indent(n int, s string) string {
	return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n))
}

// seconds writes d as protobuf's JSON does.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
