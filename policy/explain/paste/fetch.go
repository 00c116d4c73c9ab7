package paste

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// fetchCall finds the beginning of a call of fetch.
var fetchCall = regexp.MustCompile(`(?m)^[ \t]*(?:await[ \t]+)?fetch\(`)

// fetchOptions are the options of fetch that matter, as browsers copy them.
type fetchOptions struct {
	Method      string            `json:"method"`
	Headers     map[string]string `json:"headers"`
	Referrer    string            `json:"referrer"`
	Mode        string            `json:"mode"`
	Credentials string            `json:"credentials"`
}

// fetchCalls reads calls of fetch. Browsers copy their arguments as JSON.
func fetchCalls(text string) (qs []explain.Question, err error) {
	for _, at := range fetchCall.FindAllStringIndex(text, -1) {
		q, err := fetchQuestion(text[at[1]:])
		if err != nil {
			return nil, fmt.Errorf(`read the call of fetch: %w: it is read as "Copy as fetch" in the browser's developer tools writes it, with JSON for the options`, err)
		}
		qs = append(qs, q)
	}
	return qs, nil
}

// fetchQuestion reads what follows "fetch(".
func fetchQuestion(arguments string) (q explain.Question, err error) {
	var target string
	rest, err := decode(arguments, &target)
	if err != nil {
		return q, err
	}
	var o fetchOptions
	if options, found := strings.CutPrefix(strings.TrimSpace(rest), ","); found {
		if _, err := decode(options, &o); err != nil {
			return q, err
		}
	}
	return o.question(target), nil
}

// decode reads the JSON value that text begins with, and returns the rest.
func decode(text string, into any) (rest string, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return "", err
	}
	return text[d.InputOffset():], json.NewDecoder(bytes.NewReader(value)).Decode(into)
}

func (o *fetchOptions) question(target string) explain.Question {
	var sent browser.Headers
	for _, name := range slices.Sorted(maps.Keys(o.Headers)) {
		sent = append(sent, browser.Header{Name: name, Value: o.Headers[name]})
	}
	if o.Referrer != "" {
		sent = append(sent, browser.Header{Name: "Referer", Value: o.Referrer})
	}
	q := sentRequest(o.Method, target, sent)
	if q.Mode == "" {
		q.Mode = modes[o.Mode]
	}
	if o.Credentials != "" {
		q.Credentials = browser.Credentials(o.Credentials)
	}
	return q
}
