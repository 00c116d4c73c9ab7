package console

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/corsgate/corsgate/policy"
	"github.com/corsgate/corsgate/server/ecds"
	"github.com/corsgate/corsgate/server/live"
)

// maxBusy is how many policies the overview has.
const maxBusy = 50

// storeTimeout is how long the overview waits for a store.
const storeTimeout = 3 * time.Second

// overview is what serves, and what it decides.
type overview struct {
	Status live.Status `json:"status"`
	// Place is where the policies come from, and Age how long they serve.
	Place string `json:"place,omitempty"`
	Age   string `json:"age,omitempty"`
	// Warning says that what serves may be older than what the place has; empty if it is not.
	Warning string `json:"warning,omitempty"`
	// Instance is the name of this instance, as Fleet has it; empty without a store.
	Instance string `json:"instance,omitempty"`
	// Fleet is nil without a store, or if the store does not say; Unheard says why.
	Fleet   *Fleet `json:"fleet,omitempty"`
	Unheard string `json:"unheard,omitempty"`
	// Rates are by reason, of those that came.
	Rates []rate `json:"rates"`
	// Policies are those that decide most, and More counts the others.
	Policies []decided `json:"policies"`
	More     int       `json:"more"`
	// Envoys are those that get compiled policies.
	Envoys []ecds.Envoy `json:"envoys,omitempty"`
}

// decided counts the decisions of a policy.
type decided struct {
	Policy  string `json:"policy"` // empty: no policy
	Allowed uint64 `json:"allowed"`
	Denied  uint64 `json:"denied"`
	Blocked uint64 `json:"blocked"`
	Others  uint64 `json:"others"`
	// Shadow counts its decisions in shadow, of which Differs would change the answer.
	Shadow  uint64 `json:"shadow"`
	Differs uint64 `json:"differs"`
}

func countOf(n *Count) decided {
	d := decided{Policy: n.Policy, Shadow: n.Shadow, Differs: n.Differs}
	for _, r := range policy.Reasons() {
		switch {
		case r.Allows():
			d.Allowed += n.Decided[r]
		case r == policy.ReasonRequestBlocked:
			d.Blocked += n.Decided[r]
		case r.Denies():
			d.Denied += n.Decided[r]
		default:
			d.Others += n.Decided[r]
		}
	}
	return d
}

// busier orders what decides more before what decides less.
func busier(a, b decided) int {
	all := func(d *decided) uint64 { return d.Allowed + d.Denied + d.Blocked + d.Others + d.Shadow }
	return cmp.Or(cmp.Compare(all(&b), all(&a)), cmp.Compare(a.Policy, b.Policy))
}

func (c *Console) overview(w http.ResponseWriter, r *http.Request) {
	o := overview{Status: c.Status(), Policies: []decided{}, Place: c.Place, Instance: c.Instance}
	if o.Status.Ready {
		o.Age = time.Since(o.Status.LoadedAt).Round(time.Second).String()
	}
	o.Warning = o.warning()
	o.Rates = c.rates.list(o.listed(c.Counts()))
	slices.SortFunc(o.Policies, busier)
	o.More = max(len(o.Policies)-maxBusy, 0)
	o.Policies = o.Policies[:len(o.Policies)-o.More]
	if c.Envoys != nil {
		o.Envoys = c.Envoys()
	}
	if c.Fleet != nil {
		o.hear(r.Context(), c.Fleet)
	}
	c.show(w, r, http.StatusOK, "overview", "Overview", o)
}

// listed yields counts as they are, and lists their policies.
func (o *overview) listed(counts iter.Seq[Count]) iter.Seq[Count] {
	return func(yield func(Count) bool) {
		for n := range counts {
			if d := countOf(&n); d.Policy != "" || d != (decided{}) {
				o.Policies = append(o.Policies, d)
			}
			if !yield(n) {
				return
			}
		}
	}
}

// warning says of when the last known good policies are, if these serve, and why.
func (o *overview) warning() string {
	if o.Status.ServedFrom != live.FromState {
		return ""
	}
	why := "it was not read yet"
	if o.Status.LastError != nil {
		why = "it was not read, or is refused: " + o.Status.LastError.Message
	}
	return fmt.Sprintf("What serves are the last known good policies, of %s. They may be older than what %s has: %s.",
		shownTime(o.Status.StateAt), cmp.Or(o.Place, "the source"), why)
}

// hear asks the store how the fleet stands. The page does not wait long for that.
func (o *overview) hear(ctx context.Context, ask func(context.Context) (Fleet, error)) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	f, err := ask(ctx)
	if err != nil {
		o.Unheard = err.Error()
		return
	}
	o.Fleet = &f
}
