package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy/printable"
)

// errNoPolicies is the answer before the first load.
var errNoPolicies = errors.New("There are no policies yet: the overview says why.") //nolint:staticcheck,revive // it is a sentence of a page

// page is what a template gets.
type page struct {
	View  string
	Title string
	// Instance is the name of the instance that the page is of, if it has one.
	Instance string
	Nav      []view
	Data     any
}

// parse reads the template of a view, and the frame of all pages. Its own files are good, as
// the tests show.
func parse(name string) *template.Template {
	t := template.New("frame.html").Funcs(template.FuncMap{
		"value": printable.Value, "text": printable.Text, "counted": printable.Counted,
		"time": shownTime, "clock": clock, "machine": machineTime, "sentence": sentence, "unquoted": unquoted, "draw": draw, "party": partyName, "stranger": isStranger, "fresh": isFresh,
	})
	return template.Must(t.ParseFS(files, "pages/frame.html", "pages/parts.html", "pages/report.html", "pages/question.html", "pages/"+name+".html"))
}

// sentence returns text, made harmless, with a capital letter at its beginning if that is a
// word.
func sentence(text string) string {
	text = printable.Text(text)
	word, _, _ := strings.Cut(text, " ")
	if strings.ContainsFunc(word, func(r rune) bool { return r < 'a' || r > 'z' }) || word == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// unquoted returns a value as printable.Value does that is quoted as Go does.
func unquoted(value string) string {
	if text, err := strconv.Unquote(value); err == nil {
		return printable.Value(text)
	}
	return printable.Text(value)
}

func machineTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func shownTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// clock returns the time of day of a line of the decision log, to the millisecond.
func clock(logged string) string {
	t, err := time.Parse(time.RFC3339, logged)
	if err != nil {
		return logged
	}
	return t.UTC().Format("15:04:05.000")
}

// show answers with a view, or with its data as JSON.
func (c *Console) show(w http.ResponseWriter, r *http.Request, code int, name, title string, data any) {
	w.Header().Add("Vary", "Accept")
	var body bytes.Buffer
	if wantsJSON(r) {
		text, err := json.MarshalIndent(data, "", "  ")
		if err != nil {
			http.Error(w, "the answer could not be encoded", http.StatusInternalServerError)
			return
		}
		body.Write(append(printable.JSON(text), '\n'))
		w.Header().Set("Content-Type", "application/json")
	} else {
		if err := c.pages[name]().Execute(&body, page{name, title, c.Instance, nav(), data}); err != nil {
			http.Error(w, "the page could not be made", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	}
	w.WriteHeader(code)
	_, _ = body.WriteTo(w) // the client may be gone
}

// nav returns the views that the navigation has.
func nav() (entries []view) {
	for _, v := range views {
		if v.Title != "" {
			entries = append(entries, v)
		}
	}
	return entries
}

// failure says why there is no other answer.
type failure struct {
	Error string `json:"error"`
}

func (c *Console) fail(w http.ResponseWriter, r *http.Request, code int, why string) {
	c.show(w, r, code, "failure", http.StatusText(code), failure{why})
}

// work calls f when it is its turn. If it is not called, the client gets the reason.
func (c *Console) work(w http.ResponseWriter, r *http.Request, f func()) bool {
	err := c.Work(r.Context(), f)
	if err != nil {
		c.fail(w, r, http.StatusServiceUnavailable, err.Error())
	}
	return err == nil
}

// wantsJSON reports whether the client accepts JSON and names no HTML (RFC 9110, section
// 12.5.1).
func wantsJSON(r *http.Request) bool {
	wants := false
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, _, _ := mime.ParseMediaType(strings.TrimSpace(part))
		switch kind {
		case "application/json":
			wants = true
		case "text/html":
			return false
		}
	}
	return wants
}
