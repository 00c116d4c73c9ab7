package policy

import "strings"

// compiled is the run form of one policy: only read once it is made.
type compiled struct {
	name    string
	hash    specHash
	mode    Mode
	public  bool // "*" without credentials: the same answer for every origin
	origins originIndex
	methods nameList
	headers nameList
	// answers are made at load, and numbered are those that no other policy has.
	answers  Answers
	numbered []*Answer
	// readings are the other readings of the policy's paths.
	readings []string
	forward  bool // unmatchedPreflights: forward
	denied   DeniedRequests
	lists    PreflightLists
	debug    bool
	private  bool // allowPrivateNetwork
	creds    bool
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

// Compile compiles judged specs into a Set. It cannot fail.
func Compile(valid *Valid) *Set { return CompileAfter(nil, valid) }

// CompileAfter is Compile for a set that takes the place of prev, which may be nil:
// the policies of prev that did not change are not compiled again. The sets share
// them, and may both be used. An answer that both have has one ID in both.
func CompileAfter(prev *Set, valid *Valid) *Set {
	specs := valid.specs
	b := builder{set: &Set{specs: specs, hash: valid.hash, names: make([]string, len(specs)), byName: make(map[string]*compiled, len(specs))}}
	b.keep(prev, valid)
	otherwise := false
	for i := range specs {
		p := b.compile(&specs[i], valid.hashes[i])
		b.set.names[i] = p.name
		b.set.shadows = b.set.shadows || p.mode == ModeShadow
		otherwise = otherwise || len(p.readings) > 0
	}
	b.index(otherwise)
	return b.set
}

// builder compiles policies one by one into a set.
type builder struct {
	set  *Set
	free []int     // the numbers of answers that are not taken
	own  []*Answer // of the policy that is being compiled
}

// keep takes from prev what is as it was, with its answers and their numbers.
func (b *builder) keep(prev *Set, valid *Valid) {
	if prev == nil {
		b.set.pass = b.answer(Answer{Action: Pass, Apply: ApplyNone})
		b.set.denied = b.deniedAnswers()
		return
	}
	b.set.pass, b.set.denied = prev.pass, prev.denied
	b.set.answers = make([]*Answer, len(prev.answers))
	b.number(prev.pass, prev.denied.request, prev.denied.blocked, prev.denied.preflight, prev.denied.debug)
	for i := range valid.specs {
		if p := prev.byName[valid.specs[i].Name]; p != nil && p.hash == valid.hashes[i] {
			b.set.byName[p.name] = p
			b.number(p.numbered...)
		}
	}
	for id, a := range b.set.answers {
		if a == nil {
			b.free = append(b.free, id)
		}
	}
}

// number enters answers that have their numbers.
func (b *builder) number(answers ...*Answer) {
	for _, a := range answers {
		b.set.answers[a.ID] = a
	}
}

// answer enters a into the set and numbers it.
func (b *builder) answer(a Answer) *Answer {
	if n := len(b.free); n > 0 {
		a.ID, b.free = b.free[n-1], b.free[:n-1]
	} else {
		a.ID = len(b.set.answers)
		b.set.answers = append(b.set.answers, nil)
	}
	b.set.answers[a.ID] = &a
	b.own = append(b.own, &a)
	return &a
}

// index enters the policies for their hosts and paths. otherwise tells that a path
// has other readings.
func (b *builder) index(otherwise bool) {
	if otherwise {
		b.set.enforced.others, b.set.shadow.others = &index{}, &index{}
	}
	for i := range b.set.specs {
		s := &b.set.specs[i]
		b.layer(s).add(b.set.byName[s.Name], s.Hosts, s.Paths)
	}
	for i := 0; otherwise && i < len(b.set.specs); i++ {
		s := &b.set.specs[i]
		b.layer(s).addReadings(b.set.byName[s.Name], s.Hosts)
	}
}

// layer returns the layer that s is chosen in.
func (b *builder) layer(s *Spec) *layer {
	if s.Mode == ModeShadow {
		return &b.set.shadow
	}
	return &b.set.enforced
}

// compile compiles s, unless that was kept.
func (b *builder) compile(s *Spec, hash specHash) *compiled {
	if p := b.set.byName[s.Name]; p != nil {
		return p
	}
	origins := compileOrigins(&s.CORS)
	p := &compiled{
		name:    s.Name,
		hash:    hash,
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
	for _, path := range s.Paths {
		p.readings = append(p.readings, prefixes(path)[1:]...)
	}
	b.own = nil
	p.answers = b.policyAnswers(p, s)
	p.numbered = b.own
	b.set.byName[s.Name] = p
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
