package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policydiff"
	"github.com/corsgate/corsgate/policy/printable"
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
	// check refuses what is not to replace what the store has, and may say that something
	// else serves.
	check func(was *current) error
	// alone tells that no instance reports that it follows the store.
	alone bool
	// base is the revision that has to serve until then; nil means the one that does.
	base *uint64
}

// publication returns that of policies in a store. Its make and its check are still to be set.
func (f *publishFlags) publication(cmd *cobra.Command, b store.Backend, next *policy.Set) publication {
	return publication{publishFlags: f, backend: b, out: cmd.OutOrStdout(), note: cmd.ErrOrStderr(), next: next}
}

// run publishes, and prints what came of it, if that is known.
func (p *publication) run(ctx context.Context) error {
	r, err := p.publish(ctx)
	if failed := p.print(&r, err); failed != nil {
		return failed
	}
	return err
}

// publish publishes, unless something forbids it.
func (p *publication) publish(ctx context.Context) (r publishReport, err error) {
	was, err := readCurrent(ctx, p.backend, p.url)
	if err != nil {
		return r, err
	}
	if p.base != nil && was.now != nil && *p.base < was.now.Revision {
		return r, r.lost(&store.Conflict{Now: *was.now})
	}
	if err := cmp.Or(p.checkBase(was.now), p.check(&was)); err != nil {
		r.Outcome, r.Release, r.Undecided = outcomeRefused, was.release(), err.Error()
		return r, err
	}
	r.compare(&was, p.next)
	if p.format.value == "text" {
		if err := r.printChanges(p.out, p.note); err != nil {
			return r, err
		}
	}
	if err := p.checkWidening(&r); err != nil {
		r.Outcome = outcomeRefused
		return r, err
	}
	if p.dryRun {
		r.Outcome = outcomeDryRun
		return r, nil
	}
	return r, p.push(ctx, was.now, &r)
}

// checkBase refuses a base that the store does not have.
func (p *publication) checkBase(now *store.Info) error {
	if p.base == nil || now == nil || *p.base <= now.Revision {
		return nil
	}
	return hinted(fmt.Errorf("the store has revision %d, and revision %d was never pushed to it, or is lost", now.Revision, *p.base),
		"'corsgate history' lists what it has; 'corsgate status' tells what instances serve")
}

// readFleet reads how a fleet stands. The reports of a store that was set back are old, so
// that it waits until the instances report anew or are silent; note gets for whom.
func readFleet(ctx context.Context, b store.Backend, note io.Writer) (store.Fleet, error) {
	progress := progressOn(note)
	defer progress.end()
	for end := time.Now().Add(store.MaxOutdated); ; {
		fleet, err := store.ReadFleet(ctx, b)
		old := slices.IndexFunc(fleet.Instances, store.Instance.Outdated)
		if err != nil || old < 0 || time.Now().After(end) {
			return fleet, err
		}
		progress.tell(fmt.Sprintf("the report of instance %s is of %s: waiting for another one, since the store may have been set back",
			printable.Name(fleet.Instances[old].Name), fleet.Instances[old].At.Format(time.RFC3339)))
		select {
		case <-ctx.Done():
			return fleet, ctx.Err()
		case <-time.After(statusPause):
		}
	}
}

// follow has the release be one that instances follow from what they serve.
func (p *publication) follow(ctx context.Context) error {
	fleet, err := readFleet(ctx, p.backend, p.note)
	p.alone = len(fleet.Instances) == 0
	p.check = func(*current) error {
		for _, i := range fleet.Lost() {
			return hinted(fmt.Errorf("the store has lost releases: it has revision %d, and instance %s serves revision %d, from which that does not go on", fleet.Now.Revision, printable.Name(i.Name), i.Serves.Revision),
				"'corsgate restore' begins a new history, which the instances follow",
				"if that instance is of another fleet, stop it, and empty its --state-dir; if it is gone, 'corsgate status --forget-silent'")
		}
		return nil
	}
	return err
}

// checkWidening refuses what --require-no-widening is against.
func (p *publication) checkWidening(r *publishReport) error {
	switch {
	case !p.noWidening:
		return nil
	case r.Undecided != "":
		return hinted(errors.New("--require-no-widening: what serves cannot be compared with it: "+r.Undecided), "publish it without the flag if somebody has looked at it")
	case r.Diff.Widens():
		return hinted(errors.New("--require-no-widening: access widens"), "look at what the changes let pages do; publish it without the flag if that is meant")
	case r.Diff.Bounded:
		return hinted(errors.New("--require-no-widening: the policies are too many to compare all of them"), "publish it without the flag if somebody has looked at it")
	}
	return nil
}

// push has the release made that replaces now.
func (p *publication) push(ctx context.Context, now *store.Info, r *publishReport) error {
	meta := store.Meta{By: cmp.Or(p.by, whoAmI()), Message: p.message}
	if now != nil {
		base := now.Ref()
		meta.Base = &base
	}
	pushed, err := p.make(ctx, meta)
	if conflict, ok := asConflict(err); ok {
		return r.lost(conflict)
	}
	if err != nil {
		return err
	}
	if pushed.Checkpoint != nil {
		fmt.Fprintf(p.note, "the release serves, and its checkpoint, from which new instances read it faster, was not written: %s\n", printable.Text(pushed.Checkpoint.Error()))
	}
	r.Outcome, r.Release = outcomePushed, &pushed.Info
	if pushed.Unchanged {
		r.Outcome = outcomeUnchanged
	}
	return nil
}

// print prints what came of a publication that has ended with err, if that is known.
func (p *publication) print(r *publishReport, err error) error {
	switch {
	case r.Outcome == "":
		return nil
	case p.format.value == "json":
		return writeJSON(p.out, r)
	case err != nil:
		return nil // which is told
	}
	if _, failed := fmt.Fprintln(p.out, r.line()); failed != nil {
		return failed
	}
	if p.alone && r.Outcome == outcomePushed {
		fmt.Fprintf(p.note, "no instance follows %s yet: start some with 'corsgate serve --policies URL'\n", printable.Name(p.url))
	}
	return nil
}

// compare notes what served, and compares it with what is published.
func (r *publishReport) compare(was *current, next *policy.Set) {
	r.Release = was.release()
	if r.Undecided = was.undecided; was.set == nil {
		return
	}
	c := policydiff.New(was.set, next)
	c.Probe()
	diff := c.Report()
	r.Diff = &diff
}

// lost notes that somebody else was faster, and returns the conflict.
func (r *publishReport) lost(c *store.Conflict) error {
	r.Outcome, r.Release = outcomeLost, nil
	if c.Now.Revision > 0 {
		r.Release = &c.Now
	}
	return c
}

// printChanges prints what changes, for people.
func (r *publishReport) printChanges(out, note io.Writer) error {
	if r.Diff == nil {
		fmt.Fprintf(note, "what changes cannot be told: %s\n", printable.Text(r.Undecided))
		return nil
	}
	return printDiff(out, note, *r.Diff, "text")
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
