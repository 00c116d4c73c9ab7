package console

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/decisionlog"
	"github.com/corsgate/corsgate/server/live"
)

// draftName is the name of a pasted text in messages.
const draftName = "pasted.yaml"

// The bounds of what is compared. A comparison takes up to a KiB for each origin, and up to
// 20 for each policy that changes.
const (
	maxCompared = 250_000 // origins
	maxChanged  = 10_000  // policies
)

// maxChanges is how many changes a page has. JSON has all.
const maxChanges = 200

// maxLogLine bounds a line of a pasted decision log in bytes.
const maxLogLine = 1 << 20

// draft is a policy text that does not serve, and what would change if it did.
type draft struct {
	Text string `json:"-"`
	Log  string `json:"-"`
	// Groups are the files of the text's origin groups.
	Groups []live.File `json:"-"`
	// Added says that the text has only some policies, which are added to those that serve
	// or replace those of the same name.
	Added bool `json:"added"`
	// Gone counts the policies that serve and are not in the text, unless it is Added to
	// them: they would serve no longer.
	Gone int  `json:"gone,omitempty"`
	Form form `json:"-"`
	// Error says why nothing was compared, apart from the Diagnostics; it is empty if
	// nothing but those says so.
	Error string `json:"error,omitempty"`
	// Diagnostics are the mistakes in the text, and Problems those of what it makes together
	// with what serves.
	Diagnostics []policyfile.Diagnostic `json:"diagnostics"`
	Problems    []string                `json:"problems,omitempty"`
	// Diff is what changes; nil if that is not known.
	Diff *policydiff.Report `json:"diff,omitempty"`
	// Replayed counts the recorded decisions that were compared, and Clipped those that
	// could not be, since the log cuts long values. Unread counts the lines of the log that
	// are not decisions.
	Replayed int `json:"replayed"`
	Clipped  int `json:"clipped"`
	Unread   int `json:"unread,omitempty"`
	// Report is what the text answers to a question, if one was asked.
	Report *answer `json:"report,omitempty"`
}

// Asked reports whether the form has a question.
func (d draft) Asked() bool { return !d.Form.isEmpty() }

// Changes are those that a page shows.
func (d draft) Changes() []policydiff.Change {
	return d.Diff.Changes[:min(len(d.Diff.Changes), maxChanges)]
}

// line is one of the text, for people who look for a mistake.
type line struct {
	Number int
	Text   string
	Found  []policyfile.Diagnostic
}

// around is how many lines are shown before and after one in which something was found.
const around = 3

// Lines returns the lines of the text in which something was found, with those around them.
func (d draft) Lines() (lines []line) {
	found, near := map[int][]policyfile.Diagnostic{}, map[int]bool{}
	for _, f := range d.Diagnostics {
		if f.File != draftName {
			continue // it is of a group
		}
		found[f.Line] = append(found[f.Line], f)
		for n := f.Line - around; n <= f.Line+around; n++ {
			near[n] = true
		}
	}
	n := 0
	for text := range strings.Lines(d.Text) {
		if n++; near[n] {
			lines = append(lines, line{n, printable.Clip(strings.TrimRight(text, "\r\n")), found[n]})
		}
	}
	return lines
}

func (c *Console) draftForm(w http.ResponseWriter, r *http.Request) {
	c.show(w, r, http.StatusOK, "draft", draftTitle, draft{Diagnostics: []policyfile.Diagnostic{}})
}

// draftTitle is the title of the page.
const draftTitle = "Try a policy"

// draftPaste compares the text that was pasted with what serves.
func (c *Console) draftPaste(w http.ResponseWriter, r *http.Request) {
	text, err := pasted(w, r, "text")
	d := draft{Text: text, Added: r.FormValue("scope") == "added", Form: newForm(r), Diagnostics: []policyfile.Diagnostic{}}
	if err == nil {
		d.Log, err = pasted(w, r, "log")
	}
	if err == nil {
		d.Groups, err = chosen(r, "groups")
	}
	switch {
	case err != nil:
		d.Error = err.Error()
	case strings.TrimSpace(text) == "":
		d.Error = "Paste a policy file, or choose one."
	case !c.work(w, r, func() { c.compare(&d) }):
		return
	}
	code := http.StatusOK
	if d.Error != "" {
		code = http.StatusBadRequest
	}
	c.show(w, r, code, "draft", draftTitle, d)
}

// compare fills in what the text says and changes.
func (c *Console) compare(d *draft) {
	loaded := policyfile.Load(d.folder(), "")
	d.diagnose(loaded.Diagnostics)
	serves := c.Set()
	switch {
	case loaded.HasErrors():
		return
	case serves == nil:
		d.Error = errNoPolicies.Error()
		return
	}
	valid := loaded.Policies
	if d.Added {
		valid = d.merge(serves, policy.Compile(valid))
	}
	if valid == nil {
		return
	}
	now := policy.Compile(valid)
	d.Gone = missing(serves, now)
	if err := checkSize(serves, now); err != nil {
		d.Error = err.Error()
		return
	}
	comparison := policydiff.New(serves, now)
	comparison.Probe()
	for _, kept := range c.Recent.From(0).Decisions {
		d.replay(comparison, kept.Line)
	}
	d.replayLog(comparison)
	report := comparison.Report()
	d.Diff = &report
	if d.Asked() {
		d.ask(now)
	}
}

// checkSize returns why two sets are not compared here, if they are not.
func checkSize(serves, now *policy.Set) error {
	const why = "are not compared here, since that could take the memory of the service: compare files with 'corsgate diff'"
	if n := originsOf(serves) + originsOf(now); n > maxCompared {
		return fmt.Errorf("what serves and the text have %d origins together, and more than %d %s", n, maxCompared, why)
	}
	if n := changed(serves, now); n > maxChanged {
		return fmt.Errorf("%d policies change, and more than %d %s", n, maxChanged, why)
	}
	return nil
}

// changed counts the policies that one of two sets has, and the other has not like that.
func changed(old, now *policy.Set) (n int) {
	for _, name := range old.Names() {
		was, _ := old.Policy(name)
		if is, ok := now.Policy(name); !ok || is.Hash != was.Hash {
			n++
		}
	}
	return n + missing(now, old)
}

// missing counts the policies of a set of whose names the other set has none.
func missing(of, from *policy.Set) (n int) {
	for _, name := range of.Names() {
		if _, ok := from.Policy(name); !ok {
			n++
		}
	}
	return n
}

// originsOf counts the entries of all policies.
func originsOf(set *policy.Set) (n int) {
	for i := range set.Specs() {
		n += entriesOf(&set.Specs()[i])
	}
	return n
}

// folder returns the text and the files of its groups as the folder that they are of.
func (d *draft) folder() fs.FS {
	text := live.File{Name: live.ChosenPrefix + draftName, Data: []byte(d.Text)}
	return flat{live.Folder(append([]live.File{text}, d.Groups...))}
}

// flat finds a file by the last part of its name, too: a browser does not tell the folder of
// a file that was chosen.
type flat struct{ fs.FS }

// Open implements fs.FS.
func (f flat) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.FS.Open(path.Base(name))
	}
	return file, err
}

// PolicyFile tells policyfile.Load which file is not that of a group.
func (flat) PolicyFile() string { return draftName }

// diagnose keeps what was found in the text. It says what to do about a file that is missing
// here, and may well be where the policies come from.
func (d *draft) diagnose(found []policyfile.Diagnostic) {
	for _, f := range found {
		if f.Code == codeUnreadable && f.Hint == "" {
			f.Hint = hintChoose
		}
		d.Diagnostics = append(d.Diagnostics, f)
	}
}

// What is said of a file that a group names and that was not chosen.
const (
	codeUnreadable = "file-unreadable"
	hintChoose     = "choose it below, under “Files of its origin groups”"
)

// merge returns what serves with the policies of the text, or nil if that has mistakes.
func (d *draft) merge(serves, text *policy.Set) *policy.Valid {
	of := map[string]bool{}
	for _, name := range text.Names() {
		of[name] = true
	}
	var specs []policy.Spec
	for _, s := range serves.Specs() {
		if !of[s.Name] {
			specs = append(specs, s)
		}
	}
	valid := policyfile.Examine(append(specs, text.Specs()...), func(p policy.Problem) {
		if p.Level == policy.Error {
			d.Problems = append(d.Problems, p.String())
		}
	})
	d.Problems = few(d.Problems)
	return valid
}

// replay asks both sets about a recorded decision.
func (d *draft) replay(c *policydiff.Comparison, line []byte) {
	switch e, ok := decisionlog.Read(line); {
	case !ok:
		d.Unread++
	case e.Clipped:
		d.Clipped++
	default:
		d.Replayed++
		c.Replay(e.Request())
	}
}

// replayLog replays the decision log that was pasted.
func (d *draft) replayLog(c *policydiff.Comparison) {
	lines := bufio.NewScanner(strings.NewReader(d.Log))
	lines.Buffer(nil, maxLogLine)
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			d.replay(c, line)
		}
	}
	if err := lines.Err(); err != nil {
		d.Error = "the decision log cannot be read: " + err.Error()
	}
}

// ask asks the set about the question of the form.
func (d *draft) ask(set *policy.Set) {
	q, err := d.Form.question()
	var a answer
	if err == nil {
		a, err = answerTo(set, q)
	}
	if err != nil {
		d.Error = err.Error()
		return
	}
	d.Report = &a
}
