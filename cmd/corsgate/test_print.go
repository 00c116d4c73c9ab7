package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/corsgate/corsgate/policy/cases"
	"github.com/corsgate/corsgate/policy/printable"
)

// print writes the results to out, and for people a summary to note.
func (r *testReport) print(out, note io.Writer, c *testConfig) error {
	switch c.format.value {
	case "json":
		return writeJSON(out, r)
	case "junit":
		return r.writeJUnit(out, c.strict)
	}
	paint := painterFor(out)
	for _, res := range r.Cases {
		if err := res.print(out, paint); err != nil {
			return err
		}
	}
	for _, u := range r.Unexercised {
		if _, err := fmt.Fprintf(out, "%s %s\n", paint.Yellow("not exercised:"), unexercisedLine(u)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(note, "%s passed, %d failed, %s of the policies not exercised\n",
		printable.Counted(r.Passed, "case", "cases"), r.Failed, printable.Counted(len(r.Unexercised), "part", "parts"))
	return err
}

// print writes a case that failed.
func (res *caseResult) print(out io.Writer, paint printable.Painter) error {
	if res.Passed {
		return nil
	}
	_, err := fmt.Fprintf(out, "%s:%d: %s %q\n  %s\n", res.File, res.Line, paint.Red("failed:"), res.Name, strings.Join(res.Differences, "\n  "))
	return err
}

// unexercisedLine says what no case exercises.
func unexercisedLine(u cases.Unexercised) string {
	if u.Field == "" {
		return "policy " + u.Policy
	}
	return fmt.Sprintf("policy %s, %s: %s", u.Policy, u.Field, examples(u.Values, u.Count))
}

// The elements of JUnit's XML that its readers agree on.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// add adds a case to its suite.
func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// writeJUnit writes a suite for each file, and one for what is not exercised: as skipped
// cases, or as failed ones if strict is set.
func (r *testReport) writeJUnit(out io.Writer, strict bool) error {
	all := junitSuites{Name: "corsgate test", Suites: r.fileSuites()}
	if len(r.Unexercised) > 0 {
		all.Suites = append(all.Suites, r.coverageSuite(strict))
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
	}
	if _, err := io.WriteString(out, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(out)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("junit: %w", err)
	}
	_, err := fmt.Fprintln(out)
	return err
}

// fileSuites returns the suites of the files, in their order.
func (r *testReport) fileSuites() []junitSuite {
	var suites []junitSuite
	for _, res := range r.Cases {
		if n := len(suites); n == 0 || suites[n-1].Name != res.File {
			suites = append(suites, junitSuite{Name: res.File})
		}
		c := junitCase{Class: res.File, Name: res.Name, File: res.File, Line: res.Line}
		if !res.Passed {
			c.Failure = &junitMessage{Message: res.Differences[0], Text: strings.Join(res.Differences, "\n")}
		}
		suites[len(suites)-1].add(c)
	}
	return suites
}

// coverageSuite returns the suite of what is not exercised.
func (r *testReport) coverageSuite(strict bool) junitSuite {
	suite := junitSuite{Name: "exercised"}
	for _, u := range r.Unexercised {
		c := junitCase{Class: "exercised", Name: unexercisedLine(u)}
		message := &junitMessage{Message: "no case exercises it"}
		if strict {
			c.Failure = message
		} else {
			c.Skipped = message
		}
		suite.add(c)
	}
	return suite
}
