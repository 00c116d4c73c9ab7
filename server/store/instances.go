package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/corsgate/corsgate/server/live"
)

// Instance is what an instance reports of itself.
type Instance struct {
	// Name is unique in the fleet, and Labels say where it is.
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	// Version is the program's.
	Version string `json:"version,omitempty"`
	// Serves is the release that it serves; zero if it serves none of a store.
	Serves live.Release `json:"serves"`
	Ready  bool         `json:"ready"`
	// Refused is the code of the last load if that was refused, see live.LoadError.
	Refused string `json:"refused,omitempty"`
	// LastKnownGood tells that it serves its state, since its source is away.
	LastKnownGood bool `json:"lastKnownGood,omitempty"`
	// Envoys counts its Envoys by how they stand to what it serves: ecds.State. It is nil if
	// it delivers to none, and empty if none is there.
	Envoys map[string]int `json:"envoys,omitzero"`
	// At is when it has reported, to the minute, by its own clock.
	At time.Time `json:"at,omitzero"`
	// Silent tells that it has reported within the last day and does so no more. It is
	// Instances' to say.
	Silent bool `json:"silent,omitempty"`
	// Standing is how what it serves stands to what the store has; empty if that is damaged.
	// It is ReadFleet's to say.
	Standing Standing `json:"standing,omitempty"`
	// Process names the process that has reported, and Shared tells that another one does so
	// by the same name. They are the Reporter's to say.
	Process string `json:"process,omitempty"`
	Shared  bool   `json:"shared,omitempty"`
	// Unreadable says why the report cannot be read, or believed; empty if it can. It has a
	// name alone then.
	Unreadable string `json:"unreadable,omitempty"`
}

// GoesOn reports whether the store goes on from what the instance serves. One that the
// store has regressed for knows more of that than what the store has left.
func (i Instance) GoesOn() bool { return i.Standing.GoesOn(i.Refused == CodeRegressed) }

// Outdated reports whether the report is older than an instance leaves it. It was renewed
// by nobody: the store was set back, or a clock is wrong.
func (i Instance) Outdated() bool {
	return !i.Silent && !i.At.IsZero() && time.Since(i.At) > maxReportAge
}

// report is the object of an instance.
type report struct {
	versioned
	Instance
}

// Instances returns what the instances report, sorted by name. The error is for a store
// that does not answer.
func Instances(ctx context.Context, b Backend) ([]Instance, error) {
	r := newReader(b)
	if err := r.probe(ctx); err != nil {
		return nil, err
	}
	found := map[string]Instance{}
	for _, prefix := range []string{rememberPrefix, reportPrefix} {
		reports, err := r.reports(ctx, prefix)
		if err != nil {
			return nil, err
		}
		for _, i := range reports {
			i.Silent = prefix == rememberPrefix
			found[i.Name] = i
		}
	}
	names := slices.Sorted(maps.Keys(found))
	instances := make([]Instance, len(names))
	for i, name := range names {
		instances[i] = found[name]
	}
	return instances, nil
}

// reports returns the reports below a prefix. One that cannot be read hides no other one.
func (r *reader) reports(ctx context.Context, prefix string) ([]Instance, error) {
	objects, err := r.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	found, err := r.get(ctx, keys...)
	if err != nil {
		return r.reportsSingly(ctx, prefix, keys)
	}
	var reports []Instance
	for key, o := range found {
		reports = append(reports, readReport(strings.TrimPrefix(key, prefix), o.Value))
	}
	return reports, nil
}

// reportsSingly reads reports one by one. The error says why the store does not answer
// any more.
func (r *reader) reportsSingly(ctx context.Context, prefix string, keys []string) (reports []Instance, err error) {
	for _, key := range keys {
		name := strings.TrimPrefix(key, prefix)
		found, err := r.get(ctx, key)
		if o, exists := found[key]; exists {
			reports = append(reports, readReport(name, o.Value))
		} else if err != nil {
			if away := r.probe(ctx); away != nil {
				return nil, away
			}
			reports = append(reports, Instance{Name: name, Unreadable: err.Error()})
		}
	}
	return reports, nil
}

// readReport reads a report; the name that it was found by counts.
func readReport(name string, data []byte) Instance {
	var r report
	if err := decode("", "the report", data, &r); err != nil { // nothing counts it, so it needs no code
		return Instance{Name: name, Unreadable: err.Error()}
	}
	if r.Serves.Revision > maxLost {
		return Instance{Name: name, Unreadable: fmt.Sprintf("the report names revision %d, which no fleet has", r.Serves.Revision)}
	}
	r.Name, r.Unreadable, r.Standing = name, "", ""
	return r.Instance
}

// Forget forgets instances that are silent. One that reports itself is there again. The
// error is for a store that does not answer.
func Forget(ctx context.Context, b Backend, names ...string) error {
	var objects []Object
	for _, name := range names {
		objects = append(objects, Object{Key: rememberPrefix + name})
	}
	return newReader(b).delete(ctx, objects)
}

// Reporter reports an instance: after each change of it, and as long as it runs. Its fields
// are not to be changed after Run has begun.
type Reporter struct {
	// Backend is the store; required.
	Backend Backend
	// Report returns what to report; required. It is called often, by the goroutine of Run,
	// and its Name does not change.
	Report func() Instance
	// Jitter is within which time a change is reported, so that a fleet does not do so at
	// once, and how far reports of changes are apart; 0 means DefaultJitter, and less than
	// 0 none.
	Jitter time.Duration
	// Failed is told why a report could not be made, once until one can be made again: of
	// that it is told nil. If it is nil nobody is told.
	Failed func(error)
	// Sharing is called when another process is found to report itself by the same name,
	// once until that has ended. If it is nil nobody is told.
	Sharing func()

	process string    // names this one in its reports; empty before the first
	other   time.Time // when a report of another process was found last
	again   time.Time // when one was last found soon after another
}

// DefaultJitter is Reporter's.
const DefaultJitter = 2 * time.Second

const (
	// reportTTL is how long an instance may be silent, and rememberTTL how long it is
	// known then.
	reportTTL   = time.Minute
	rememberTTL = 24 * time.Hour
	// MaxOutdated is how long an outdated report can stay, see Instance.Outdated.
	MaxOutdated = reportTTL + reportEvery
	// reportEvery is how often a report is renewed.
	reportEvery = 20 * time.Second
	// maxReportAge is more than a report's At is ever behind, and than most clocks differ by.
	maxReportAge = 3 * time.Minute
	// reportLook is how often the report is compared.
	reportLook = 100 * time.Millisecond
)

// Run reports until ctx ends. Then it withdraws the report, unless that takes long, and
// returns nil. It may be called once.
func (r *Reporter) Run(ctx context.Context) error {
	look := time.NewTicker(reportLook)
	defer look.Stop()
	var s schedule
	for failing := false; ; {
		if report := r.Report(); s.due(time.Now(), report, r.jitter()) {
			err := r.announce(ctx, report)
			if err == nil {
				s.reported(time.Now(), report, r.jitter())
			} else {
				s.failed(time.Now())
			}
			if failing != (err != nil) && ctx.Err() == nil && r.Failed != nil {
				r.Failed(err)
			}
			failing = err != nil
		}
		select {
		case <-ctx.Done():
			r.withdraw(context.WithoutCancel(ctx), r.Report().Name)
			return nil
		case <-look.C:
		}
	}
}

func (r *Reporter) jitter() time.Duration { return max(0, cmp.Or(r.Jitter, DefaultJitter)) }

// schedule says when a report is due.
type schedule struct {
	last  Instance  // that was reported
	next  time.Time // when it is due; zero before the first
	pause time.Time // until when no change is reported
	other bool      // it has changed since, and next is soon
}

func (s *schedule) due(now time.Time, report Instance, jitter time.Duration) bool {
	if !s.other && !reflect.DeepEqual(report, s.last) {
		s.other, s.next = true, now.Add(random(jitter))
		if s.next.Before(s.pause) {
			s.next = s.pause
		}
	}
	if now.Before(s.next) {
		return false
	}
	s.next = now.Add(reportEvery/2 + random(reportEvery/2)) // also if it fails
	return true
}

func (s *schedule) reported(now time.Time, report Instance, jitter time.Duration) {
	s.last, s.other, s.pause = report, false, now.Add(jitter)
}

// failed has the report be tried again soon: somebody may wait for it.
func (s *schedule) failed(now time.Time) {
	s.next = now.Add(maxPause/2 + random(maxPause/2))
}

// random returns a part of d.
func random(d time.Duration) time.Duration {
	return time.Duration(rand.Int64N(int64(d) + 1)) //nolint:gosec // It need not be secret.
}

func (r *Reporter) announce(ctx context.Context, i Instance) error {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r.compare(limited, i.Name)
	i.Process, i.Shared = r.process, r.shared()
	i.At = time.Now().UTC().Truncate(time.Minute) // each other value costs the store a revision
	data := encode(report{versioned{format}, i})
	err := r.Backend.Announce(limited, reportPrefix+i.Name, data, reportTTL)
	if err == nil {
		err = r.Backend.Announce(limited, rememberPrefix+i.Name, data, rememberTTL)
	}
	return unreachable(ctx, err)
}

// compare finds out whether another process has reported the name since this one has. What is
// there once may be of the process that this one replaces: before the first report, or after
// the store was set back.
func (r *Reporter) compare(ctx context.Context, name string) {
	if r.process == "" {
		r.process = randomID()
		return
	}
	found, err := r.Backend.Get(ctx, reportPrefix+name)
	if err != nil || len(found) == 0 {
		return
	}
	if process := readReport(name, found[0].Value).Process; process == "" || process == r.process {
		return
	}
	shared := r.shared()
	if isRecent(r.other) {
		r.again = time.Now()
	}
	r.other = time.Now()
	if !shared && r.shared() && r.Sharing != nil {
		r.Sharing()
	}
}

// shared reports whether another process may report the name still. Of the two, one may
// report twice before the other one does.
func (r *Reporter) shared() bool { return isRecent(r.again) }

func isRecent(t time.Time) bool { return !t.IsZero() && time.Since(t) < 2*reportTTL }

// withdraw has the instance be neither there nor silent.
func (r *Reporter) withdraw(ctx context.Context, name string) {
	limited, cancel := context.WithTimeout(ctx, patience/5)
	defer cancel()
	_ = r.Backend.Delete(limited, []Object{{Key: reportPrefix + name}, {Key: rememberPrefix + name}}) // else it expires
}
