package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
)

// The bounds of what is tried.
const (
	maxForm     = 16 << 20 // bytes
	maxForms    = 4        // at a time
	maxQuestion = 64 << 10 // bytes as JSON; an Envoy takes no more, unless it is told to
	maxReports  = 50
	maxTexts    = 50 // of what is left out, or wrong
	answerTime  = 30 * time.Second
)

// tried is what was asked and its answers.
type tried struct {
	// Form is the question of the form, and Pasted the text of the other one.
	Form   form   `json:"-"`
	Pasted string `json:"-"`
	// Error says what is wrong with the question; it is empty if nothing is.
	Error string `json:"error,omitempty"`
	// Reports are the answers. Left says which requests have none and why.
	Reports []answer `json:"reports"`
	Left    []string `json:"left,omitempty"`
	// Fine are the requests of a recording that are allowed, if not all are shown.
	Fine int `json:"fine,omitempty"`
	// More counts the requests that nobody looked at, since there are enough reports, or
	// since it took too long.
	More int `json:"more,omitempty"`
}

// LacksAnswer reports whether an answer of the upstream decides that is not known.
func (t tried) LacksAnswer() bool {
	return slices.ContainsFunc(t.Reports, func(a answer) bool { return a.Undecided })
}

// form are the fields of the form, as they were filled in.
type form struct {
	Origin, URL, Method, Headers, Credentials, Policy string
	Upload                                            bool
}

func newForm(r *http.Request) form {
	value := func(name string) string { return strings.TrimSpace(r.FormValue(name)) }
	return form{
		Origin: value("origin"), URL: value("url"), Method: value("method"), Headers: value("headers"),
		Credentials: value("credentials"), Policy: value("policy"), Upload: value("upload") != "",
	}
}

// isEmpty reports whether nothing was asked.
func (f form) isEmpty() bool { return f == form{} }

// question returns what the form asks. A header is a line, as "name: value" or as the name
// alone, which stands for a value that needs a preflight. The error says what to write.
func (f form) question() (explain.Question, error) {
	if f.Origin != "" && !hasScheme(f.Origin) {
		return explain.Question{}, errScheme(f.Origin)
	}
	q := explain.Question{
		Origin: f.Origin, URL: withScheme(f.URL), Method: f.Method, Policy: f.Policy,
		Credentials: browser.Credentials(f.Credentials), Upload: f.Upload,
	}
	for line := range strings.Lines(f.Headers) {
		name, value, hasValue := strings.Cut(strings.TrimSpace(line), ":")
		if name == "" {
			continue
		}
		h := browser.Header{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
		if !hasValue {
			h.Value = browser.UnsafeValue
		}
		q.Headers = append(q.Headers, h)
	}
	return q, nil
}

// hasScheme reports whether the origin is one as browsers send it, as far as its scheme goes.
func hasScheme(origin string) bool { return origin == "null" || strings.Contains(origin, "://") }

func errScheme(origin string) error {
	instead := "https://" + origin
	if _, err := policy.ParseOrigin(instead); err != nil {
		instead = "it as in https://app.example.com"
	}
	return fmt.Errorf("the origin %q has no scheme: write %s", printable.Clip(origin), instead)
}

// tryForm answers the question of the form if there is one.
func (c *Console) tryForm(w http.ResponseWriter, r *http.Request) {
	t := tried{Form: newForm(r), Reports: []answer{}}
	if t.Form.isEmpty() {
		c.show(w, r, http.StatusOK, "try", "Try a request", t)
		return
	}
	c.answer(w, r, &t, func() ([]explain.Question, error) {
		q, err := t.Form.question()
		return []explain.Question{q}, err
	})
}

// tryPaste answers what was pasted: commands, or a recording.
func (c *Console) tryPaste(w http.ResponseWriter, r *http.Request) {
	t := tried{Reports: []answer{}}
	text, err := pasted(w, r, "paste")
	t.Pasted = r.FormValue("paste") // and not a file, which is long and may have cookies
	if err != nil {
		t.Error = err.Error()
		c.show(w, r, http.StatusBadRequest, "try", "Try a request", t)
		return
	}
	c.answer(w, r, &t, func() ([]explain.Question, error) {
		questions, left, err := c.Read(text)
		t.Left = left
		return questions, err
	})
}

// fewAtATime answers few forms at a time, since each may be large.
func (c *Console) fewAtATime(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case c.forms <- struct{}{}:
			defer func() { <-c.forms }()
			answer(w, r)
		default:
			c.fail(w, r, http.StatusServiceUnavailable, "Too many forms are sent or answered already: try again later.")
		}
	}
}

// pasted returns the text of a field of the form, or of the file that was chosen instead. A
// program may send a file as the field itself.
func pasted(w http.ResponseWriter, r *http.Request, field string) (string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := readForm(r); err != nil {
		return "", err
	}
	for _, h := range slices.Concat(filesOf(r, field+"-file"), filesOf(r, field)) {
		if text, err := contentOf(h); err != nil || len(text) > 0 {
			return string(text), err
		}
	}
	return r.FormValue(field), nil
}

// readForm reads a form, with files or without. The error says what to do.
func readForm(r *http.Request) error {
	err := r.ParseForm()
	if err == nil {
		err = r.ParseMultipartForm(maxForm)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return fmt.Errorf("the form has more than %d MiB: send less, or have 'corsgate explain' or 'corsgate diff' read the file", maxForm>>20)
	}
	if err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return fmt.Errorf("the form cannot be read: %w", err)
	}
	return nil
}

// chosen returns the files of a field of the form, which pasted has read.
func chosen(r *http.Request, field string) (files []live.File, err error) {
	for _, h := range filesOf(r, field) {
		text, err := contentOf(h)
		if err != nil {
			return nil, fmt.Errorf("the file %s cannot be read: %w", h.Filename, err)
		}
		files = append(files, live.File{Name: h.Filename, Data: text})
	}
	return files, nil
}

// filesOf returns the files that the form has in a field.
func filesOf(r *http.Request, field string) []*multipart.FileHeader {
	if r.MultipartForm == nil {
		return nil // the form has no room for files
	}
	return r.MultipartForm.File[field]
}

func contentOf(h *multipart.FileHeader) ([]byte, error) {
	f, err := h.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// answer reads the questions, and answers them with what serves, when it is its turn.
func (c *Console) answer(w http.ResponseWriter, r *http.Request, t *tried, read func() ([]explain.Question, error)) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	answered := c.work(w, r, func() {
		questions, err := read()
		if err != nil {
			t.Error = err.Error()
			return
		}
		defer time.AfterFunc(answerTime, cancel).Stop()
		t.explain(ctx, c.Set(), questions)
	})
	t.Left = few(t.Left)
	if !answered {
		return
	}
	code := http.StatusOK
	if t.Error != "" {
		code = http.StatusBadRequest
	}
	c.show(w, r, code, "try", "Try a request", *t)
}

// explain answers the questions until ctx ends. Of several it leaves out what is allowed.
func (t *tried) explain(ctx context.Context, set *policy.Set, questions []explain.Question) {
	if set == nil {
		t.Error = errNoPolicies.Error()
		return
	}
	for i, q := range questions {
		if len(t.Reports) == maxReports || ctx.Err() != nil {
			t.More = len(questions) - i
			return
		}
		a, err := answerTo(set, q)
		switch {
		case err != nil && len(questions) == 1:
			t.Error = err.Error()
		case err != nil:
			t.Left = append(t.Left, printable.Clip(q.Method+" "+q.URL)+": "+err.Error())
		case a.Allowed && len(questions) > 1:
			t.Fine++
		default:
			t.Reports = append(t.Reports, a)
		}
	}
}

// answerTo explains a question with a set. The error says what to write.
func answerTo(set *policy.Set, q explain.Question) (answer, error) {
	if text, err := json.Marshal(q); err != nil || len(text) > maxQuestion {
		return answer{}, fmt.Errorf("the request has more than %d bytes and is not explained here: leave out what is long, such as its query and cookies", maxQuestion)
	}
	report, err := explain.Policies{Set: set}.Explain(q)
	if err != nil {
		return answer{}, err
	}
	return newAnswer(set, report), nil
}

// few returns the first of many texts, and how many others there are.
func few(texts []string) []string {
	if more := len(texts) - maxTexts; more > 0 {
		return append(texts[:maxTexts], printable.Counted(more, "other", "others"))
	}
	return texts
}
