package live

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/policyfile"
)

// ErrNotRunning is Reload's error if Run has ended.
var ErrNotRunning = errors.New("the service is shutting down, ask the one that replaces it")

// Reloader gives sinks the policies of a source, again after each change. If a
// load fails, nothing changes: the last good set keeps serving. Its methods are
// safe for concurrent use. Do not change its fields after the first call.
type Reloader struct {
	// Source is where the policies come from; required.
	Source Source
	// Sinks get each good set, in this order.
	Sinks []Sink
	// Keeper keeps each good reading, right after it serves. If the first load finds no good
	// policies, what was kept serves until the source has some; nil means that nothing is
	// kept.
	Keeper Keeper
	// KeptFirst has what was kept serve before the source is read, which may take long. It
	// may be older than what the source has.
	KeptFirst bool
	// Watchers are told of each load.
	Watchers []Watcher
	// Each value of Signals asks for a reload, as for SIGHUP; nil means that none
	// does.
	Signals <-chan os.Signal
	// Logger gets the outcome of each load, with a line for each diagnostic; nil
	// means no log. If Load refuses, its caller reports that.
	Logger *slog.Logger
	// Version is the program's version, shown in Status.
	Version string

	once     sync.Once
	requests chan chan<- verdict // one for each waiting Reload
	notices  chan struct{}       // something may have changed; holds one
	stopped  chan struct{}       // closed when Run has ended

	loading sync.Mutex  // held by a load
	serves  *policy.Set // guarded by loading; nil before the first good load

	mu     sync.Mutex // guards status
	status Status
}

// verdict is the outcome of a load.
type verdict struct {
	status Status
	err    error
}

func (r *Reloader) setup() {
	r.once.Do(func() {
		r.requests = make(chan chan<- verdict)
		r.notices = make(chan struct{}, 1)
		r.stopped = make(chan struct{})
	})
}

// Reload asks Run for a load that starts after this call, waits for it, and
// returns the status after it. The error is a *LoadError, ErrNotRunning, or
// the reason why ctx ended.
func (r *Reloader) Reload(ctx context.Context) (Status, error) {
	r.setup()
	reply := make(chan verdict, 1)
	select {
	case r.requests <- reply:
	case <-r.stopped:
		return r.Status(), ErrNotRunning
	case <-ctx.Done():
		return r.Status(), ctx.Err()
	}
	select {
	case v := <-reply:
		return v.status, v.err
	case <-ctx.Done():
		return r.Status(), ctx.Err()
	}
}

// Run loads whenever the source changes, a signal comes, or Reload is called,
// one load at a time, until ctx ends or the source cannot be watched. It may be
// called once.
func (r *Reloader) Run(ctx context.Context) error {
	r.setup()
	defer close(r.stopped)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.Source.Watch(ctx, r.notice) })
	g.Go(func() error { return r.serve(ctx) })
	return g.Wait()
}

// notice never blocks: if a notice already waits, a load will come.
func (r *Reloader) notice() {
	select {
	case r.notices <- struct{}{}:
	default:
	}
}

func (r *Reloader) serve(ctx context.Context) error {
	for {
		var waiting []chan<- verdict
		select {
		case <-ctx.Done():
			return nil
		case <-r.notices:
		case <-r.Signals:
		case reply := <-r.requests:
			waiting = append(waiting, reply)
		}
		waiting = append(waiting, r.gather()...)
		err := r.Load(ctx)
		switch {
		case err != nil && ctx.Err() != nil: // the end of ctx ends the load, and Run
			err = ErrNotRunning
		case err != nil:
			r.LogRefusal(err)
		}
		v := verdict{r.Status(), err}
		for _, reply := range waiting {
			reply <- v
		}
	}
}

// gather takes all requests for a load that wait now: one load answers them
// all.
func (r *Reloader) gather() []chan<- verdict {
	var waiting []chan<- verdict
	for {
		select {
		case <-r.notices:
		case reply := <-r.requests:
			waiting = append(waiting, reply)
		default:
			return waiting
		}
	}
}

// Load loads what the source has now. Call it before Run, so that a service does not
// start without policies. If nothing serves yet, what the Keeper has may serve instead; then
// it has Run load the source at once. The error is a *LoadError, which the caller reports:
// Load does not log it. If ctx has ended, an error says nothing about the policies, and is
// not a refusal.
func (r *Reloader) Load(ctx context.Context) error {
	r.setup()
	r.loading.Lock()
	defer r.loading.Unlock()
	l := Load{At: time.Now()}
	defer r.begin()(&l)
	before := r.Status()
	if before.Ready || r.Keeper == nil {
		l.Err = r.loadSource(ctx)
	} else {
		l.Err = r.loadFirst(ctx)
	}
	if l.Cut = l.Err != nil && ctx.Err() != nil; l.Err != nil && !l.Cut {
		r.refuse(l.Err)
	}
	l.Status = r.Status()
	l.Changed = l.Status.Generation != before.Generation
	return l.Err
}

// firstPatience is how long the source may take at the start, if something is kept.
const firstPatience = 10 * time.Second

// loadFirst serves what the source has, or the Keeper. The error is of the source.
func (r *Reloader) loadFirst(ctx context.Context) error {
	if r.KeptFirst {
		if r.loadKept(ctx) {
			return nil
		}
		return r.loadSource(ctx)
	}
	res, err := r.readSoon(ctx)
	if err == nil {
		err = r.serveSource(res)
	}
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case r.loadKept(ctx):
		return nil
	case errors.Is(err, errLate):
		return r.loadSource(ctx)
	}
	return err
}

var errLate = errors.New("the source does not answer")

// readSoon reads the source, unless that takes too long. A disk that hangs ends with no
// context.
func (r *Reloader) readSoon(ctx context.Context) (Reading, error) {
	limited, cancel := context.WithTimeout(ctx, firstPatience)
	defer cancel()
	type answer struct {
		res Reading
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		res, err := Check(limited, r.Source)
		answers <- answer{res, err}
	}()
	select {
	case <-limited.Done():
		return Reading{}, &LoadError{Err: errLate}
	case a := <-answers:
		return a.res, a.err
	}
}

// loadSource serves what the source has. The error is a *LoadError.
func (r *Reloader) loadSource(ctx context.Context) error {
	res, err := Check(ctx, r.Source)
	if err != nil {
		return err
	}
	return r.serveSource(res)
}

func (r *Reloader) serveSource(res Reading) error {
	if err := r.serveReading(res, FromSource); err != nil {
		return err
	}
	if r.Keeper != nil {
		r.Keeper.Keep(res)
	}
	return nil
}

// loadKept serves what the Keeper has, until the source is loaded, and reports whether that
// is good. If it is not, the log says why.
func (r *Reloader) loadKept(ctx context.Context) bool {
	res, err := Check(ctx, r.Keeper)
	if err == nil {
		err = r.serveReading(res, FromState)
	}
	if err == nil {
		r.notice()
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
		r.log().Error("the last known good policies are refused", "error", r.logMistakes(err))
	}
	return err == nil
}

// begin tells the watchers that a load begins. It returns the function that
// tells them its outcome.
func (r *Reloader) begin() (end func(*Load)) {
	var loaded []func(Load)
	for _, w := range r.Watchers {
		loaded = append(loaded, w.Loading())
	}
	return func(l *Load) {
		l.Took = time.Since(l.At)
		for _, tell := range loaded {
			tell(*l)
		}
	}
}

// serveReading serves the policies of res. The same content does not count as a new
// generation.
func (r *Reloader) serveReading(res Reading, from Provenance) error {
	if have := r.Status(); have.Ready && have.Hash == res.Policies.Hash() {
		r.accept(nil, res.Release, from)
		r.logDiagnostics(res.Diagnostics)
		r.log().Info("policies unchanged", "generation", r.Status().Generation)
		return nil
	}
	set, commit, err := prepare(r.serves, res.Policies, r.Sinks)
	if err != nil {
		return err
	}
	commit()
	r.serves = set
	status := r.accept(set, res.Release, from)
	r.logDiagnostics(res.Diagnostics)
	r.log().Info("policies loaded", "from", string(from), "generation", status.Generation, "policies", status.Policies, "hash", status.Hash)
	return nil
}

// accept notes that the last load was good, what it was of, and that set is served; a
// nil set means that the old one still is.
func (r *Reloader) accept(set *policy.Set, release Release, from Provenance) Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.LastError = nil
	r.status.Release, r.status.ServedFrom = release, from
	if set != nil {
		r.status.Generation++
		r.status.Hash = set.Hash()
		r.status.LoadedAt = time.Now().UTC()
		r.status.Policies = len(set.Names())
	}
	return r.status
}

// refuse notes a load that changed nothing.
func (r *Reloader) refuse(err error) {
	f := &Failure{At: time.Now().UTC(), Message: err.Error()}
	if le, ok := errors.AsType[*LoadError](err); ok {
		f.Message, f.Diagnostics = le.message(), le.Diagnostics
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.LastError = f
}

// LogRefusal logs why a load was refused, for who goes on to Run although Load was.
func (r *Reloader) LogRefusal(err error) {
	kept := "the last good ones keep serving"
	switch s := r.Status(); {
	case !s.Ready:
		kept = "there are none to serve yet"
	case s.ServedFrom == FromState:
		kept = "the last known good ones serve, of " + s.StateAt.Format(time.RFC3339)
	}
	r.log().Error("policies refused, "+kept, "error", r.logMistakes(err))
}

// logMistakes logs the diagnostics of a refusal, and returns the rest of it.
func (r *Reloader) logMistakes(err error) string {
	if le, ok := errors.AsType[*LoadError](err); ok && le.Err == nil {
		r.logDiagnostics(le.Diagnostics)
		return le.message()
	}
	return err.Error()
}

var logAt = map[policy.Level]func(log *slog.Logger, msg string, args ...any){
	policy.Error: (*slog.Logger).Error, policy.Warning: (*slog.Logger).Warn, policy.Note: (*slog.Logger).Info,
}

func (r *Reloader) logDiagnostics(ds []policyfile.Diagnostic) {
	log := r.log()
	for _, d := range ds {
		logAt[d.Level](log, d.String(), "code", d.Code)
	}
}

// log returns the Logger, or one that discards everything.
func (r *Reloader) log() *slog.Logger { return cmp.Or(r.Logger, slog.New(slog.DiscardHandler)) }
