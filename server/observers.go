package server

import (
	"context"

	"github.com/corsgate/corsgate/policy"
)

// Observers are told of each decision in their order.
type Observers []Observer

// Observe implements Observer.
func (os Observers) Observe(ctx context.Context, r *policy.Request, d *policy.Decision) {
	for _, o := range os {
		o.Observe(ctx, r, d)
	}
}
