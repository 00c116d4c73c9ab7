package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// scale maps values to places in the picture.
type scale struct {
	log       bool
	low, high float64 // the values at the ends, or their decimal logarithms
	from, to  float64 // the places of the ends
}

// tick is a marked place on an axis.
type tick struct {
	At   float64
	Text string
}

// wantTicks is about how many ticks a linear axis has.
const wantTicks = 5

// newScale makes a scale that all values fit in and that ends on ticks.
func newScale(a Axis, values []float64, from, to float64) (scale, error) {
	if len(values) == 0 {
		return scale{}, errors.New("there is no point to draw")
	}
	low, high := slices.Min(values), slices.Max(values)
	if math.IsNaN(low) || math.IsInf(high, 0) || a.Log && low <= 0 || low < 0 {
		return scale{}, fmt.Errorf("%q runs from %v to %v, which cannot be drawn", a.Label, low, high)
	}
	s := scale{log: a.Log, from: from, to: to}
	if a.Log {
		s.low, s.high = math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	} else {
		step := niceStep(high / wantTicks)
		s.high = math.Ceil(high/step) * step
	}
	if s.high <= s.low {
		s.high = s.low + 1
	}
	return s, nil
}

// at returns the place of v.
func (s scale) at(v float64) float64 {
	if s.log {
		v = math.Log10(v)
	}
	return s.from + (v-s.low)/(s.high-s.low)*(s.to-s.from)
}

// ticks returns the powers of ten of a logarithmic scale, or round numbers.
func (s scale) ticks() []tick {
	var ticks []tick
	if s.log {
		for e := s.low; e <= s.high; e++ {
			v := math.Pow(10, e)
			ticks = append(ticks, tick{At: s.at(v), Text: number(v)})
		}
		return ticks
	}
	step := niceStep(s.high / wantTicks)
	for i := 0; float64(i)*step <= s.high*1.0001; i++ {
		v := float64(i) * step
		ticks = append(ticks, tick{At: s.at(v), Text: number(v)})
	}
	return ticks
}

// niceStep returns the smallest of 1, 2 and 5 times a power of ten that is at
// least v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, factor := range []float64{1, 2, 5} {
		if v <= factor*power*1.0001 {
			return factor * power
		}
	}
	return 10 * power
}
