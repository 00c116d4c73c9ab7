package paste

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/corsgate/corsgate/policy/browser"
	"github.com/corsgate/corsgate/policy/explain"
)

// curlQuestion reads the words after "curl".
func curlQuestion(words []string) (explain.Question, error) {
	c := curlCommand{}
	if err := c.read(words); err != nil {
		return explain.Question{}, err
	}
	return c.question()
}

// curlCommand are the parts of a curl command that matter.
type curlCommand struct {
	method, url string
	headers     browser.Headers
	// body, head and get say which options that choose the method were given. credentials
	// says that an option sends credentials.
	body, head, get, credentials bool
}

// curlLong are the long forms of the options that matter, by their short one.
var curlLong = map[string]string{
	"--request": "-X", "--header": "-H", "--data": "-d", "--data-raw": "-d", "--data-binary": "-d", "--data-ascii": "-d",
	"--data-urlencode": "-d", "--form": "-F", "--form-string": "-F", "--upload-file": "-T", "--head": "-I", "--get": "-G",
	"--cookie": "-b", "--user": "-u", "--user-agent": "-A", "--referer": "-e", "--json": "--json", "--url": "--url",
}

// curlSkipped are options with a value that does not matter.
const curlSkipped = " -o --output -m --max-time --connect-timeout --resolve --cacert -E --cert --key --ciphers -x --proxy" +
	" -w --write-out -c --cookie-jar -A --retry --retry-delay -C --interface --connect-to -D --dump-header --oauth2-bearer" +
	" -P -Q -t -K --config -U --proxy-user -r -y -Y -z --tls-max --max-redirs --unix-socket "

// read reads the words after "curl".
func (c *curlCommand) read(words []string) error {
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		name, value, glued := c.cutOption(word)
		switch {
		case name == "":
			c.url = word
			continue
		case !takesValue(name):
			c.flag(name)
			continue
		case !glued && len(words) == 0:
			return fmt.Errorf("the option %s of the curl command has no value", name)
		case !glued:
			value, words = words[0], words[1:]
		}
		c.option(name, value)
	}
	return nil
}

// cutOption returns the short form of an option, if it has one, and the value in the same
// word: -XPUT, --request=PUT. If the word is not an option, the name is empty.
func (c *curlCommand) cutOption(word string) (name, value string, glued bool) {
	if !strings.HasPrefix(word, "-") || word == "-" {
		return "", "", false
	}
	if long, ok := strings.CutPrefix(word, "--"); ok {
		long, value, glued = strings.Cut(long, "=")
		name = "--" + long
		if short := curlLong[name]; short != "" {
			name = short
		}
		return name, value, glued
	}
	return c.cutShort(word)
}

// cutShort reads a word of short options: -sI, -sXPUT. The first option that takes a value
// takes the rest of the word. The options before it are flags.
func (c *curlCommand) cutShort(word string) (name, value string, glued bool) {
	for i := 1; i < len(word); i++ {
		name = "-" + word[i:i+1]
		if takesValue(name) {
			return name, word[i+1:], i+1 < len(word)
		}
		c.flag(name)
	}
	return name, "", false
}

func takesValue(name string) bool {
	switch name {
	case "-X", "-H", "-d", "-F", "-T", "-b", "-u", "-e", "--json", "--url":
		return true
	}
	return strings.Contains(curlSkipped, " "+name+" ")
}

// flag reads an option without a value.
func (c *curlCommand) flag(name string) {
	c.head = c.head || name == "-I"
	c.get = c.get || name == "-G"
}

// option reads an option with a value.
func (c *curlCommand) option(name, value string) {
	switch name {
	case "-X":
		c.method = value
	case "-H":
		c.header(value)
	case "-d", "-F", "-T":
		c.body = true
		c.addType(map[string]string{"-d": "application/x-www-form-urlencoded", "-F": "multipart/form-data"}[name])
		if name == "-T" && c.method == "" {
			c.method = "PUT"
		}
	case "--json":
		c.body = true
		c.addType("application/json")
	case "-b", "-u":
		c.credentials = true
	case "-e":
		c.headers = append(c.headers, browser.Header{Name: "Referer", Value: value})
	case "--url":
		c.url = value
	}
}

// addType notes the Content-Type that an option sets unless a header does.
func (c *curlCommand) addType(value string) {
	if _, have := c.headers.Get("Content-Type"); !have && value != "" {
		c.headers = append(c.headers, browser.Header{Name: "content-type", Value: value})
	}
}

// header reads a header line. "NAME:" removes a header, and "NAME;" is one without a
// value.
func (c *curlCommand) header(line string) {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		name = strings.TrimSuffix(name, ";")
	}
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if strings.EqualFold(name, "Content-Type") {
		c.headers = without(c.headers, name)
	}
	if !ok || value != "" {
		c.headers = append(c.headers, browser.Header{Name: name, Value: value})
	}
}

func without(hs browser.Headers, name string) (kept browser.Headers) {
	for _, h := range hs {
		if !strings.EqualFold(h.Name, name) {
			kept = append(kept, h)
		}
	}
	return kept
}

// question returns the question that the command asks.
func (c *curlCommand) question() (explain.Question, error) {
	if c.url == "" {
		return explain.Question{}, errors.New("the curl command has no URL")
	}
	if !strings.Contains(c.url, "://") {
		c.url = "http://" + c.url // as curl does
	}
	if u, err := url.Parse(c.url); err == nil && u.User != nil {
		c.credentials, u.User = true, nil
		c.url = u.String()
	}
	q := sentRequest(c.methodOf(), c.url, c.headers)
	if c.credentials {
		q.Credentials = browser.Include
	}
	return q, nil
}

// methodOf is the method that curl would use.
func (c *curlCommand) methodOf() string {
	switch {
	case c.method != "":
		return c.method
	case c.head:
		return "HEAD"
	case c.body && !c.get:
		return "POST"
	}
	return "GET"
}
