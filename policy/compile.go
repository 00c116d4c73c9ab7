package policy

import (
	"slices"
	"strings"
)

// compiled is the run form of one policy: only read once it is made.
type compiled struct {
	name    string
	mode    Mode
	public  bool // "*" without credentials: the same answer for every origin
	origins originIndex
	methods nameList
	headers nameList
	// answers are made at load.
	answers Answers
	forward bool // unmatchedPreflights: forward
	denied  DeniedRequests
	lists   PreflightLists
	debug   bool
	private bool // allowPrivateNetwork
	creds   bool
}

func (p *compiled) debugs() bool { return p.debug }

// nameList is allowMethods or allowHeaders.
type nameList struct {
	star  bool
	names map[string]struct{} // without "*"
	text  string              // the same as a header value
}

func (l *nameList) has(name string) bool {
	_, ok := l.names[name]
	return ok
}

// Compile compiles judged specs from scratch into a Set. It cannot fail.
func Compile(valid *Valid) *Set {
	specs := valid.specs
	b := builder{set: &Set{specs: specs, hash: valid.hash, byName: make(map[string]*compiled, len(specs))}}
	b.set.pass = b.answer(Answer{Action: Pass, Apply: ApplyNone})
	b.set.denied = b.deniedAnswers()
	otherwise := slices.ContainsFunc(specs, readsOtherwise)
	if otherwise {
		b.set.enforced.others, b.set.shadow.others = &index{}, &index{}
	}
	for i := range specs {
		b.add(&specs[i])
	}
	for i := 0; otherwise && i < len(specs); i++ {
		b.layer(&specs[i]).addReadings(b.set.byName[specs[i].Name], specs[i].Hosts, specs[i].Paths)
	}
	return b.set
}

// readsOtherwise reports whether a path of s has other readings.
func readsOtherwise(s Spec) bool {
	return slices.ContainsFunc(s.Paths, func(path string) bool { return len(prefixes(path)) > 1 })
}

// builder compiles policies one by one into a set.
type builder struct{ set *Set }

// answer enters a into the set and numbers it.
func (b *builder) answer(a Answer) *Answer {
	a.ID = len(b.set.answers)
	b.set.answers = append(b.set.answers, &a)
	return &a
}

func (b *builder) add(s *Spec) {
	p := b.compile(s)
	b.set.names = append(b.set.names, s.Name)
	b.set.byName[s.Name] = p
	b.set.shadows = b.set.shadows || p.mode == ModeShadow
	b.layer(s).add(p, s.Hosts, s.Paths)
}

// layer returns the layer that s is chosen in.
func (b *builder) layer(s *Spec) *layer {
	if s.Mode == ModeShadow {
		return &b.set.shadow
	}
	return &b.set.enforced
}

func (b *builder) compile(s *Spec) *compiled {
	origins := compileOrigins(&s.CORS)
	p := &compiled{
		name:    s.Name,
		mode:    s.Mode,
		origins: origins,
		public:  origins.any && !s.CORS.AllowCredentials,
		methods: newNameList(s.CORS.AllowMethods),
		headers: newNameList(s.CORS.AllowHeaders),
		forward: s.UnmatchedPreflights == UnmatchedForward,
		denied:  s.DeniedRequests,
		lists:   s.PreflightLists,
		debug:   s.Debug,
		private: s.AllowPrivateNetwork,
		creds:   s.CORS.AllowCredentials,
	}
	p.answers = b.policyAnswers(p, s)
	return p
}

func newNameList(names []string) nameList {
	l := nameList{names: make(map[string]struct{}, len(names))}
	listed := make([]string, 0, len(names))
	for _, name := range names {
		if name == "*" {
			l.star = true
			continue
		}
		l.names[name] = struct{}{}
		listed = append(listed, name)
	}
	l.text = strings.Join(listed, ", ")
	return l
}
