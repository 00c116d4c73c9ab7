package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// publishFlags are the flags of the commands that make a release.
type publishFlags struct {
	storeFlags
	message, by        string
	dryRun, noWidening bool
}

// define defines the flags of cmd.
func (f *publishFlags) define(cmd *cobra.Command) {
	f.storeFlags.define(cmd, "what changes")
	flags := cmd.Flags()
	flags.StringVarP(&f.message, "message", "m", "", "`TEXT` for the history: why")
	flags.StringVar(&f.by, "by", "", "`NAME` for the history: who; USER@HOST by default")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would change, and change nothing")
	flags.BoolVar(&f.noWidening, "require-no-widening", false, "refuse what widens access, and what cannot be compared")
}

// The outcomes of a publication.
const (
	outcomePushed    = "pushed"
	outcomeUnchanged = "unchanged" // what serves says the same already
	outcomeDryRun    = "dry-run"
	outcomeRefused   = "refused"
	outcomeLost      = "lost" // somebody else was faster
)

// publishReport is what came of a publication, as its JSON says it.
type publishReport struct {
	Outcome string `json:"outcome"`
	// Release is the one that serves afterwards; nil if that is not known, or none does.
	Release *store.Info `json:"release"`
	// Diff compares what served with what is published; nil if that cannot be done, and
	// Undecided says why.
	Diff      *policydiff.Report `json:"diff"`
	Undecided string             `json:"undecided,omitempty"`
}

// publication makes a release, and shows before what it changes.
type publication struct {
	*publishFlags
	backend   store.Backend
	out, note io.Writer
	// next are the policies of the release, and make has it served.
	next *policy.Set
	make func(ctx context.Context, meta store.Meta) (store.Pushed, error)
	// follows tells that the release goes on from what serves, as that of a restore does not.
	follows bool
	// base is the revision that has to serve until then; nil means the one that does.
	base *uint64

	// now is the release that serves; nil if that is not known. It has no revision in an
	// empty store.
	now       *store.Info
	instances []store.Instance // that report themselves, if the release follows
	report    publishReport
}

// run publishes, unless something forbids it.
func (p *publication) run(ctx context.Context) (err error) {
	if p.follows {
		if p.instances, err = store.Instances(ctx, p.backend); err != nil { // before the release, so that none is ahead of it
			return err
		}
	}
	if err := p.compare(ctx); err != nil {
		return p.ended(err)
	}
	if p.format.value == "text" {
		if err := p.printChanges(); err != nil {
			return err
		}
	}
	if err := p.forbidden(); err != nil {
		p.report.Outcome = outcomeRefused
		return p.ended(err)
	}
	if p.dryRun {
		p.report.Outcome = outcomeDryRun
		return p.ended(nil)
	}
	return p.ended(p.push(ctx))
}

// compare compares what serves with what is published.
func (p *publication) compare(ctx context.Context) error {
	old, err := p.served(ctx)
	if err != nil {
		return err
	}
	if p.now != nil && p.now.Revision > 0 {
		p.report.Release = p.now
	}
	if p.base != nil && p.now != nil && *p.base != p.now.Revision {
		return p.lost(&store.Conflict{Now: *p.now})
	}
	if old != nil {
		diff := compareSets(old, p.next)
		p.report.Diff = &diff
	}
	return nil
}

// compareSets compares two sets of policies.
func compareSets(old, now *policy.Set) policydiff.Report {
	c := policydiff.New(old, now)
	c.Probe()
	return c.Report()
}

// served returns the policies that serve; nil if they cannot be read, which the report
// says then.
func (p *publication) served(ctx context.Context) (*policy.Set, error) {
	release, err := store.Pull(ctx, p.backend, 0)
	switch live.CodeOf(err) {
	case store.CodeEmpty:
		p.now = &store.Info{}
		none, _ := policy.Validate(nil)
		return policy.Compile(none), nil
	case store.CodeUnreachable:
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		p.report.Undecided = err.Error()
		if now, err := store.Current(ctx, p.backend); err == nil {
			p.now = &now
		}
		return nil, nil
	}
	p.now = &release.Info
	r := policyfile.Load(live.Folder(release.Files), p.url)
	if r.HasErrors() {
		p.report.Undecided = fmt.Sprintf("this version of corsgate refuses revision %d: %s", release.Revision, r.FirstError())
		return nil, nil
	}
	return policy.Compile(r.Policies), nil
}

// forbidden says why it must not be published: the instances would not follow, or what
// --require-no-widening has against it.
func (p *publication) forbidden() error {
	if p.now != nil {
		for _, i := range p.instances {
			if isAhead(i.Serves, p.now.Release) {
				return hinted(fmt.Errorf("the store has lost releases: it has revision %d, and instance %s serves revision %d, from which it does not go back", p.now.Revision, printable.Name(i.Name), i.Serves.Revision),
					"'corsgate restore' begins a new history, which the instances follow")
			}
		}
	}
	switch {
	case !p.noWidening:
		return nil
	case p.report.Undecided != "":
		return hinted(errors.New("--require-no-widening: what serves cannot be compared with it: "+p.report.Undecided), "publish it without the flag if somebody has looked at it")
	case p.report.Diff.Widens():
		return hinted(errors.New("--require-no-widening: access widens"), "look at what the changes let pages do; publish it without the flag if that is meant")
	case p.report.Diff.Bounded:
		return hinted(errors.New("--require-no-widening: the policies are too many to compare all of them"), "publish it without the flag if somebody has looked at it")
	}
	return nil
}

// isAhead reports whether who serves a release has more than a store that is at now.
func isAhead(serves, now live.Release) bool {
	return serves.Revision > now.Revision && (now.Epoch == "" || serves.Epoch == now.Epoch)
}

// push has the release made.
func (p *publication) push(ctx context.Context) error {
	meta := store.Meta{By: p.by, Message: p.message}
	if meta.By == "" {
		meta.By = whoAmI()
	}
	if p.now != nil {
		base := p.now.Ref()
		meta.Base = &base
	}
	pushed, err := p.make(ctx, meta)
	if conflict, ok := asConflict(err); ok {
		return p.lost(conflict)
	}
	if err != nil {
		return err
	}
	if pushed.Checkpoint != nil {
		fmt.Fprintf(p.note, "the release serves, and its checkpoint, from which new instances read it faster, was not written: %s\n", printable.Text(pushed.Checkpoint.Error()))
	}
	p.report.Outcome, p.report.Release = outcomePushed, &pushed.Info
	if pushed.Unchanged {
		p.report.Outcome = outcomeUnchanged
	}
	return nil
}

// lost notes that somebody else was faster, and returns the conflict.
func (p *publication) lost(c *store.Conflict) error {
	p.report.Outcome, p.report.Release = outcomeLost, nil
	if c.Now.Revision > 0 {
		p.report.Release = &c.Now
	}
	return c
}

// ended prints what came of it, if that is known, and returns err.
func (p *publication) ended(err error) error {
	if p.report.Outcome == "" {
		return err
	}
	var failed error
	switch {
	case p.format.value == "json":
		failed = writeJSON(p.out, p.report)
	case err == nil:
		_, failed = fmt.Fprintln(p.out, p.report.line())
	}
	if failed != nil {
		return failed
	}
	return err
}

// printChanges prints what changes, for people.
func (p *publication) printChanges() error {
	if p.report.Diff == nil {
		fmt.Fprintf(p.note, "what changes cannot be told: %s\n", printable.Text(p.report.Undecided))
		return nil
	}
	return printDiff(p.out, p.note, *p.report.Diff, "text")
}

// line says in a few words what came of it.
func (r *publishReport) line() string {
	switch r.Outcome {
	case outcomeUnchanged:
		return fmt.Sprintf("revision %d says the same already, nothing was pushed", r.Release.Revision)
	case outcomeDryRun:
		return "dry run, nothing was pushed"
	}
	return fmt.Sprintf("revision %d serves: %s", r.Release.Revision, changedUnits(r.Release))
}

// changedUnits counts what a release has and has changed.
func changedUnits(i *store.Info) string {
	return fmt.Sprintf("%s, %d added, %d changed, %d removed",
		printable.Counted(i.Units, "policy or group", "policies and groups"), len(i.Added), len(i.Changed), len(i.Removed))
}
