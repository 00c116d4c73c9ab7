//go:build unix

package fleet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/corsgate/corsgate/policy/policyfile"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/servertest"
	"github.com/corsgate/corsgate/server/source/etcd/etcdtest"
	"github.com/corsgate/corsgate/server/store"
)

// seedVariable has the model test use a seed that it has logged.
const seedVariable = "CORSGATE_TEST_SEED"

// The sizes of the model test's fleet.
const (
	publishers = 3
	followers  = 5
)

// TestModel has three publish at random and five follow, while something fails. What an
// instance serves was pushed, no instance goes back, nothing that was acknowledged is
// lost, and all serve the same when all is well again.
func TestModel(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	m := newModel(t, seed)
	for range pick(10, 1) {
		for _, f := range m.failures(t) {
			t.Log(f.name)
			heal := f.fail()
			m.publish(t)
			heal()
		}
	}
	m.check(t)
}

// model is the fleet, and what is known of it.
type model struct {
	random    *rand.Rand
	cluster   *etcdtest.Cluster
	publishes []*publisher
	follows   []*follower
	ledger

	mu sync.Mutex // guards ledger while publishers publish
}

// publisher publishes at random.
type publisher struct {
	random  *rand.Rand
	store   *faulty
	content map[string]int // policy -> what its answers expose
}

// follower is an instance, which may be replaced by its next start.
type follower struct {
	*instance
	plan plan
	// network is between it and the store, and faults are its store's.
	network links
	faults  *faulty
	// journals has one of each life that had no state of the one before.
	journals []*journal
}

func newModel(t *testing.T, seed uint64) *model {
	t.Helper()
	cluster, _ := startStore(t, 3)
	m := &model{random: rand.New(rand.NewPCG(seed, 0)), cluster: cluster, ledger: ledger{hashes: map[string]bool{}}}
	for k := range publishers {
		p := &publisher{random: rand.New(rand.NewPCG(seed, uint64(k+1))), content: map[string]int{}}
		p.store = newFaulty(open(t, cluster.URL(fleetName)), seed+uint64(k))
		m.publishes = append(m.publishes, p)
	}
	m.push(t, m.publishes[0].store, 1)
	for k := range followers {
		b, network := linked(t, cluster)
		f := &follower{network: network, faults: newFaulty(b, seed+uint64(publishers+k))}
		f.plan.store = f.faults
		if k%2 == 0 {
			f.plan.state = t.TempDir()
		}
		f.start(t)
		m.follows = append(m.follows, f)
	}
	return m
}

// start starts an instance, which goes on with the state of the last one.
func (f *follower) start(t *testing.T) {
	t.Helper()
	if f.plan.state == "" || f.plan.keeps == nil {
		f.plan.keeps = &journal{}
		f.journals = append(f.journals, f.plan.keeps)
	}
	f.instance = start(t, f.plan)
}

// faulty is a store of which calls fail at random, before or after they were made, as
// long as it is bad.
type faulty struct {
	between
	mu     sync.Mutex
	random *rand.Rand
	bad    bool
}

var errInjected = errors.New("injected")

func newFaulty(b store.Backend, seed uint64) *faulty {
	f := &faulty{between: between{Backend: b}, random: rand.New(rand.NewPCG(seed, 99))}
	fail := func(string) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.bad && f.random.IntN(4) == 0 {
			return errInjected
		}
		return nil
	}
	f.call, f.called = fail, fail
	return f
}

func (f *faulty) set(bad bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bad = bad
}

// failure is something that fails, until heal is called.
type failure struct {
	name string
	fail func() (heal func())
}

// failures returns all kinds in another order each time.
func (m *model) failures(t *testing.T) []failure {
	f := m.follows[m.random.IntN(followers)]
	member := m.cluster.Members[m.random.IntN(len(m.cluster.Members))]
	list := []failure{
		{"nothing", func() func() { return func() {} }},
		{"a member is killed", func() func() {
			member.Kill()
			return func() {
				member.Start()
				m.cluster.Await()
			}
		}},
		{"a member hangs", func() func() {
			member.Stop()
			return member.Continue
		}},
		{"the store forgets its revisions", func() func() {
			m.cluster.Compact()
			return m.cluster.Compact
		}},
		{"an instance is cut off", func() func() {
			f.network.cut()
			return f.network.mend
		}},
		{"an instance is cut off, and the store forgets its revisions", func() func() {
			f.network.cut()
			return func() {
				m.cluster.Compact()
				f.network.mend()
			}
		}},
		{"an instance is away", func() func() {
			f.stop()
			return func() { f.start(t) }
		}},
		{"an instance starts again without the store", func() func() {
			f.stop()
			f.network.cut()
			f.start(t)
			return f.network.mend
		}},
		{"all calls are unreliable", m.spoil},
	}
	m.random.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

// spoil makes the calls of everybody unreliable.
func (m *model) spoil() (heal func()) {
	set := func(bad bool) {
		for _, p := range m.publishes {
			p.store.set(bad)
		}
		for _, f := range m.follows {
			f.faults.set(bad)
		}
	}
	set(true)
	return func() { set(false) }
}

// publish has each publisher push or roll back a few times.
func (m *model) publish(t *testing.T) {
	t.Helper()
	var group sync.WaitGroup
	for k, p := range m.publishes {
		group.Go(func() {
			for range 1 + p.random.IntN(3) {
				m.publishOnce(t, fmt.Sprint("publisher ", k), p)
			}
		})
	}
	group.Wait()
}

// publishOnce pushes or rolls back. It may be in vain.
func (m *model) publishOnce(t *testing.T, name string, p *publisher) {
	var done store.Pushed
	var err error
	meta := store.Meta{By: name}
	if p.random.IntN(4) == 0 {
		done, err = store.Rollback(servertest.Context(t), p.store, uint64(p.random.IntN(10)), meta)
	} else {
		pushed := p.next(t)
		m.mu.Lock()
		m.hashes[hashOf(t, pushed)] = true
		m.mu.Unlock()
		done, err = store.Push(servertest.Context(t), p.store, pushed, meta)
	}
	if err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.releases = append(m.releases, done.Info)
	}
}

// next changes a few policies.
func (p *publisher) next(t *testing.T) []policyfile.Unit {
	for range 1 + p.random.IntN(3) {
		name := fmt.Sprintf("p%d", p.random.IntN(8))
		if p.random.IntN(4) == 0 {
			delete(p.content, name)
		} else {
			p.content[name] = p.random.IntN(1000)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "policies:\n- {name: api, hosts: [%s], cors: {allowOrigins: [%s]}}\n", host, origin)
	for name, n := range p.content {
		fmt.Fprintf(&b, "- {name: %[1]s, hosts: [%[1]s.test], cors: {allowOrigins: [%[2]s], exposeHeaders: [x-%[3]d]}}\n", name, origin, n)
	}
	return cut(t, fstest.MapFS{"p.yaml": {Data: []byte(b.String())}})
}

// check has all instances come to the release that serves, and holds all that they have
// served to what was pushed.
func (m *model) check(t *testing.T) {
	t.Helper()
	b := open(t, m.cluster.URL(fleetName))
	history, err := store.History(servertest.Context(t), b, 0)
	if err != nil {
		t.Fatal(err)
	}
	pushed := map[live.Release]bool{}
	for _, h := range history {
		pushed[h.Release] = true
	}
	t.Logf("%d releases, %d acknowledged", len(history), len(m.releases))
	for k, f := range m.follows {
		f.awaitRelease(t, history[0])
		for _, j := range f.journals {
			m.checkServed(t, j.all())
			for _, s := range j.all() {
				if !pushed[s.Release] {
					t.Errorf("instance %d has served %+v, which was never pushed", k, s.Release)
				}
			}
		}
	}
	m.checkHistory(t, b)
}
