// Package console is the operators' web page on the admin listener: what serves, what is
// denied and why, and what would change it. It changes nothing. Each view is plain HTML that
// is made here; all but the live one work without JavaScript. Programs get the same as JSON
// if they accept nothing else.
package console

import (
	"context"
	"embed"
	"html/template"
	"io/fs"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/policy/explain"
	"github.com/corsgate/corsgate/server/denied"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
	"github.com/corsgate/corsgate/server/recent"
)

//go:embed pages static
var files embed.FS

// Config is what the console shows. Place, Instance, Envoys and Fleet may be missing; all else
// is required.
type Config struct {
	// Place is where the policies come from, as the operator said it.
	Place string
	// Instance is the name of the instance in its fleet; empty without a store.
	Instance string
	// Status says which set serves.
	Status func() live.Status
	// Set returns the set that serves now, or nil before the first one.
	Set func() *policy.Set
	// Counts yields what each policy has decided.
	Counts func() iter.Seq[Count]
	// Denied returns the most frequent denied origins.
	Denied func() denied.List
	// Recent are the last decisions.
	Recent *recent.Decisions
	// Envoys returns those that get compiled policies; nil means that there are none.
	Envoys func() []ecds.Envoy
	// Fleet returns how the instances stand that follow the same store; nil means that there
	// is no store.
	Fleet func(context.Context) (Fleet, error)
	// Read reads what a browser copied, and says which requests it leaves out and why.
	Read func(text string) (questions []explain.Question, left []string, err error)
	// Work calls a function whose answer takes long, one at a time. The error says why it
	// was not called.
	Work func(context.Context, func()) error
}

// Count is what a policy has decided.
type Count struct {
	// Policy is its name; empty stands for decisions without a policy.
	Policy string
	// Decided are the decisions of the policy in force, by reason.
	Decided [policy.NumReasons]uint64
	// Shadow are those of the policy in shadow, and Differs those of them that would have
	// changed the answer.
	Shadow, Differs uint64
}

// Fleet is how the instances stand that follow a store.
type Fleet struct {
	// Revision is what the store has them serve, and 0 if nothing was pushed yet. At, By and
	// Message are those of who pushed it.
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at,omitzero"`
	By       string    `json:"by,omitempty"`
	Message  string    `json:"message,omitempty"`
	// Damaged says why that cannot be read; it is empty if it can.
	Damaged   string     `json:"damaged,omitempty"`
	Instances []Instance `json:"instances"`
}

// Instance is one of a fleet.
type Instance struct {
	Name string `json:"name"`
	// Revision is what it serves, and Serves says that this and its Envoys are up to date.
	Revision uint64 `json:"revision"`
	Serves   bool   `json:"serves"`
	// Standing says in a word how it is, and Details what else it reports.
	Standing string   `json:"standing"`
	Details  []string `json:"details,omitempty"`
}

// Console is the pages below /console/. New makes one; it is safe for concurrent use.
type Console struct {
	Config
	pages   map[string]func() *template.Template // :: name of a view; read when it is first shown
	handler http.Handler
	rates   rates
	watched watched
	forms   chan struct{} // holds a value for each form that is read or answered
}

// New returns the console of what c has.
func New(c Config) *Console {
	con := &Console{Config: c, pages: map[string]func() *template.Template{}, watched: watched{ended: make(chan struct{})}, forms: make(chan struct{}, maxForms)}
	for _, v := range views {
		con.pages[v.name] = sync.OnceValue(func() *template.Template { return parse(v.name) })
	}
	con.handler = con.routes()
	return con
}

// view is one page, with its entry in the navigation; without a Title it has none.
type view struct{ name, Path, Title string }

var views = []view{
	{"overview", "/console/", "Overview"},
	{"live", "/console/live", "Live"},
	{"policies", "/console/policies", "Policies"},
	{"policy", "", ""},
	{"denied", "/console/denied", "Denied"},
	{"try", "/console/try", "Try a request"},
	{"draft", "/console/draft", draftTitle},
	{"failure", "", ""},
}

func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/{$}", c.overview)
	mux.HandleFunc("GET /console/policies", c.policies)
	mux.HandleFunc("GET /console/policies/{name}", c.policy)
	mux.HandleFunc("GET /console/denied", c.denied)
	mux.HandleFunc("GET /console/try", c.tryForm)
	mux.HandleFunc("POST /console/try", c.fewAtATime(c.tryPaste))
	mux.HandleFunc("GET /console/draft", c.draftForm)
	mux.HandleFunc("POST /console/draft", c.fewAtATime(c.draftPaste))
	mux.HandleFunc("GET /console/live", c.live)
	mux.HandleFunc("GET /console/live/events", c.events)
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // a constant name that fs.ValidPath accepts
	}
	mux.Handle("GET /console/static/", http.StripPrefix("/console/static/", http.FileServerFS(static)))
	mux.HandleFunc("/console/", func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, http.StatusNotFound, "There is no such page, or it does not take this method.")
	})
	return mux
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	if isOfAnotherSite(r) {
		c.fail(w, r, http.StatusForbidden, "A page of another site may not ask the console.")
		return
	}
	c.handler.ServeHTTP(w, r)
}

// Run keeps the numbers of the last minutes until ctx ends, and then ends the pages that
// watch decisions.
func (c *Console) Run(ctx context.Context) error {
	defer c.watched.end()
	return c.rates.run(ctx, c.Counts)
}
