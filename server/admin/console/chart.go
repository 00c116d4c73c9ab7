package console

import (
	"fmt"
	"slices"
	"strings"
)

// The size of a chart, in its own units.
const (
	chartWidth  = 120
	chartHeight = 24
)

// Line returns the rates as the points of an SVG polyline (SVG 2, section 10.6). The
// highest rate is at the top, and 0 at the bottom.
func (r rate) Line() string {
	if len(r.PerSecond) < 2 {
		return ""
	}
	top := max(slices.Max(r.PerSecond), 1e-9)
	var b strings.Builder
	for i, v := range r.PerSecond {
		x := float64(i) * chartWidth / float64(len(r.PerSecond)-1)
		fmt.Fprintf(&b, "%.1f,%.1f ", x, 1+(chartHeight-2)*(1-v/top))
	}
	return strings.TrimSpace(b.String())
}

// Top returns the highest rate.
func (r rate) Top() float64 { return slices.Max(append([]float64{0}, r.PerSecond...)) }
