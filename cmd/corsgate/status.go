package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/corsgate/corsgate/policy/printable"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/store"
)

// statusPause is how often status looks while it waits.
const statusPause = 250 * time.Millisecond

// statusFlags are the flags of status.
type statusFlags struct {
	storeFlags
	wanted  uint64 // 0 is the release that serves
	envoys  int    // that each instance has at least
	waiting bool
	timeout time.Duration
	// forget has silent instances forgotten.
	forget bool
}

// fleetReport is how a fleet stands, as its JSON says it.
type fleetReport struct {
	// Release is the one that the store has the instances serve; nil if nothing was
	// pushed yet, or it cannot be read, and Damaged says why.
	Release *store.Info `json:"release"`
	Damaged string      `json:"damaged,omitempty"`
	// Wanted is the revision that the instances are held to.
	Wanted    uint64          `json:"wanted"`
	Instances []fleetInstance `json:"instances"`
	// Serving counts the instances that serve it, and All tells that there are some, and
	// all do.
	Serving int  `json:"serving"`
	All     bool `json:"all"`
	// Forgotten are the silent instances that were forgotten.
	Forgotten []string `json:"forgotten,omitempty"`
}

// fleetInstance is what an instance reports, and whether it serves what is wanted.
type fleetInstance struct {
	store.Instance
	ServesWanted bool `json:"servesWanted"`
}

func newStatus() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say which release each instance of a fleet serves",
		Long: `Prints a line for each instance that follows a store: its revision; whether it is ready;
with which code it has refused the last change; that it serves its last known good
policies since it cannot read the store; how many of its Envoys run what it serves
(current), have not taken it yet (waiting), or have refused it; its labels. An Envoy that
is not connected is not counted: --envoys wants a number of them. An
instance that has not reported for a minute is silent, and is forgotten after a day, or by
--forget-silent. One whose report cannot be read is unreadable, with the reason; one
that shares its name with another one is shown as that.

Exits 0 if all instances, and their Envoys, serve the release that the store has them
serve, or that of --wait or a later one; 1 if one does not, is silent or unreadable, or
there is none; 4 if the store cannot be used. With --wait it looks again until all do, or
--timeout is over, also if the store does not answer; REV 0 is the release that the
store has then.`,
		Example: `  corsgate status --store etcd://127.0.0.1:2379/edge
  corsgate push --store etcd://127.0.0.1:2379/edge policies/ && corsgate status --store etcd://127.0.0.1:2379/edge --wait 0 --envoys 1`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkDuration("timeout", f.timeout, 1); err != nil {
				return err
			}
			if f.envoys < 0 {
				return misused("write 0 for any number, or one such as 1", "--envoys %d is negative", f.envoys)
			}
			f.waiting = cmd.Flags().Changed("wait")
			return f.with(func(b store.Backend) error { return f.status(cmd, b) })
		},
	}
	f.define(cmd, "the instances")
	cmd.Flags().Uint64Var(&f.wanted, "wait", 0, "look again until all serve `REV` or a later one; 0 is the one that the store has")
	cmd.Flags().BoolVar(&f.forget, "forget-silent", false, "forget the silent instances, such as those that a fleet was scaled down by; one that lives reports itself again")
	cmd.Flags().IntVar(&f.envoys, "envoys", 0, "the `NUMBER` of Envoys that each instance has at least")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "how long --wait looks")
	return cmd
}

// status prints how the fleet stands. The error is errFindings if that is not as wanted.
func (f *statusFlags) status(cmd *cobra.Command, b store.Backend) error {
	r, err := f.await(cmd.Context(), b, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if err := r.print(cmd.OutOrStdout(), cmd.ErrOrStderr(), f.format.value); err != nil || r.All {
		return err
	}
	return errFindings
}

// await looks at the fleet, and with --wait until all is as wanted or the time is over.
// A store that does not answer meanwhile may do so again.
func (f *statusFlags) await(ctx context.Context, b store.Backend, note io.Writer) (last *fleetReport, err error) {
	if !f.waiting {
		return f.look(ctx, b)
	}
	limited, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	progress := progressOn(note)
	defer progress.end()
	var forgotten []string
	for err = errNoAnswer(f.timeout); ; {
		r, failed := f.look(limited, b)
		if r != nil {
			forgotten = append(forgotten, r.Forgotten...)
			r.Forgotten = forgotten
		}
		switch {
		case limited.Err() != nil && failed != nil: // the look was cut short
			return last, cmp.Or(ctx.Err(), err)
		case failed == nil && r.All, failed != nil && live.CodeOf(failed) != store.CodeUnreachable:
			return r, failed
		case failed != nil:
			progress.tell(failed.Error())
		default:
			progress.tell(r.summary())
		}
		last, err = r, failed
		select {
		case <-limited.Done():
			return last, cmp.Or(ctx.Err(), err)
		case <-time.After(statusPause):
		}
	}
}

// errNoAnswer is for a store of which nothing was heard until the time was over.
func errNoAnswer(timeout time.Duration) error {
	return &live.Fault{Code: store.CodeUnreachable, Err: fmt.Errorf("the store has not answered within %s: check its address, and that it runs", timeout)}
}

// look returns how the fleet stands now.
func (f *statusFlags) look(ctx context.Context, b store.Backend) (*fleetReport, error) {
	fleet, err := store.ReadFleet(ctx, b)
	if err != nil {
		return nil, err
	}
	r := &fleetReport{Wanted: cmp.Or(f.wanted, fleet.Now.Revision), Instances: []fleetInstance{}}
	if fleet.Now.Revision > 0 {
		r.Release = &fleet.Now
	}
	if fleet.Damaged != nil {
		r.Damaged = fmt.Sprintf("%s [%s]", fleet.Damaged, fleet.Damaged.Code)
	}
	if f.forget {
		if err := r.forgetSilent(ctx, b, &fleet); err != nil {
			return nil, err
		}
	}
	for _, i := range fleet.Instances {
		serves := i.Ready && !i.Silent && !i.Shared && servesFrom(i, r.Wanted, fleet.Now.Epoch) && envoysAreCurrent(i.Envoys, f.envoys)
		r.Instances = append(r.Instances, fleetInstance{i, serves})
		if serves {
			r.Serving++
		}
	}
	r.All = r.Serving > 0 && r.Serving == len(r.Instances)
	return r, nil
}

// forgetSilent forgets the silent instances of a fleet.
func (r *fleetReport) forgetSilent(ctx context.Context, b store.Backend, fleet *store.Fleet) error {
	fleet.Instances = slices.DeleteFunc(fleet.Instances, func(i store.Instance) bool {
		if i.Silent {
			r.Forgotten = append(r.Forgotten, i.Name)
		}
		return i.Silent
	})
	return store.Forget(ctx, b, r.Forgotten...)
}

// servesFrom reports whether an instance serves the wanted revision or a later one, of
// what the store has.
func servesFrom(i store.Instance, wanted uint64, epoch string) bool {
	return i.Standing != "" && i.GoesOn() && i.Serves.Epoch == epoch && i.Serves.Revision >= wanted
}

// envoysAreCurrent reports whether all Envoys of an instance run what it serves, and are
// as many as are wanted.
func envoysAreCurrent(envoys map[string]int, wanted int) bool {
	for state, n := range envoys {
		if state != string(ecds.Current) && n > 0 {
			return false
		}
	}
	return envoys[string(ecds.Current)] >= wanted
}

// print writes the instances to out, and for people a summary to note.
func (r *fleetReport) print(out, note io.Writer, format string) error {
	if format == "json" {
		return writeJSON(out, r)
	}
	paint := painterFor(out)
	for _, i := range r.Instances {
		if _, err := fmt.Fprintln(out, i.line(paint)); err != nil {
			return err
		}
	}
	if r.Release != nil {
		fmt.Fprintf(note, "the store has revision %d of %s, by %s: %s\n", r.Release.Revision, r.Release.At.Format(time.RFC3339),
			shownOr(r.Release.By, "nobody"), shownOr(r.Release.Message, "no message"))
	}
	for _, name := range r.Forgotten {
		fmt.Fprintf(note, "%s was silent, and is forgotten\n", printable.Name(name))
	}
	if _, err := fmt.Fprintln(note, r.summary()); err != nil {
		return err
	}
	if slices.ContainsFunc(r.Instances, func(i fleetInstance) bool { return !i.GoesOn() }) {
		fmt.Fprintln(note, "the store has lost what instances serve, and they do not go back: 'corsgate restore' begins a new history, which they follow")
	}
	return nil
}

// summary says in a few words how the fleet stands.
func (r *fleetReport) summary() string {
	switch {
	case r.Damaged != "":
		return "the store is damaged, and 'corsgate restore' begins anew: " + printable.Text(r.Damaged)
	case r.Release == nil && r.Wanted == 0:
		return "nothing was pushed to the store yet: push a policy folder with 'corsgate push'"
	case len(r.Instances) == 0:
		return "no instance reports itself: start some with 'corsgate serve --policies URL'"
	}
	text := fmt.Sprintf("%d of %s serving revision %d", r.Serving, printable.Counted(len(r.Instances), "instance", "instances"), r.Wanted)
	count := map[string]int{}
	for _, i := range r.Instances {
		if why := i.hindrance(); why != "" {
			count[why]++
		}
	}
	for _, why := range slices.Sorted(maps.Keys(count)) {
		text += fmt.Sprintf(", %d %s", count[why], why)
	}
	return text
}

// hindrance says why an instance does not serve what is wanted; empty if it does, or is
// about to.
func (i fleetInstance) hindrance() string {
	switch {
	case i.ServesWanted: // a refusal is from before
		return ""
	case i.Silent:
		return "silent"
	case i.Unreadable != "":
		return "unreadable"
	case i.Shared:
		return "shares its name"
	case i.Refused != "":
		return "refused: " + printable.Text(i.Refused)
	case !i.GoesOn():
		return "serves what the store has lost"
	case i.Envoys[string(ecds.Refused)] > 0:
		return "with Envoys that refuse it"
	}
	return ""
}

// line returns an instance on one line.
func (i fleetInstance) line(paint printable.Painter) string {
	revision := "-"
	if i.Serves.Revision > 0 {
		revision = fmt.Sprint(i.Serves.Revision)
	}
	colour := paint.Yellow
	if i.ServesWanted {
		colour = paint.Green
	} else if i.hindrance() != "" {
		colour = paint.Red
	}
	return strings.Join(append([]string{printable.Text(i.Name), revision, colour(i.standing())}, i.details()...), "  ")
}

// standing says how an instance is.
func (i fleetInstance) standing() string {
	if why := i.hindrance(); why != "" {
		return why
	}
	if i.Ready {
		return "ready"
	}
	return "not ready"
}

// toTheMinute is how a time is shown of which the seconds are not known (ISO 8601).
const toTheMinute = "2006-01-02T15:04Z"

// details says what else an instance reports.
func (i fleetInstance) details() (texts []string) {
	if i.Unreadable != "" {
		texts = append(texts, printable.Text(i.Unreadable))
	}
	if (i.Silent || i.Outdated()) && !i.At.IsZero() {
		texts = append(texts, "last report "+i.At.UTC().Format(toTheMinute))
	}
	if i.Refused != "" && i.ServesWanted {
		texts = append(texts, "last refused: "+printable.Text(i.Refused))
	}
	if i.LastKnownGood {
		texts = append(texts, "last known good")
	}
	var envoys []string
	for _, state := range slices.Sorted(maps.Keys(i.Envoys)) {
		if i.Envoys[state] > 0 {
			envoys = append(envoys, fmt.Sprintf("%d %s", i.Envoys[state], printable.Text(state)))
		}
	}
	if i.Envoys != nil {
		texts = append(texts, "Envoys: "+cmp.Or(strings.Join(envoys, ", "), "none"))
	}
	for _, key := range slices.Sorted(maps.Keys(i.Labels)) {
		texts = append(texts, printable.Text(key+"="+i.Labels[key]))
	}
	return texts
}

// progress tells how work goes on: on a terminal in one line, otherwise in a new line
// whenever that changes.
type progress struct {
	to       io.Writer
	terminal bool
	last     string
}

func progressOn(w io.Writer) *progress { return &progress{to: w, terminal: isTerminal(w)} }

func (p *progress) tell(text string) {
	if text == p.last {
		return
	}
	p.last = text
	if p.terminal {
		fmt.Fprintf(p.to, "\r\x1b[K%s", text)
		return
	}
	fmt.Fprintln(p.to, text)
}

// end leaves an empty line for what comes.
func (p *progress) end() {
	if p.terminal && p.last != "" {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
