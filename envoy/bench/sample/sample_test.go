package sample_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/bench/sample"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{"of an odd number is the middle one", []float64{9, 1, 5}, 5},
		{"of an even number is between the middle ones", []float64{4, 1, 3, 2}, 2.5},
		{"of one is that one", []float64{7}, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := sample.Median(test.values); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
	if got := sample.Median(nil); !math.IsNaN(got) {
		t.Errorf("of none: got %v, want NaN", got)
	}
}

func TestQuartiles(t *testing.T) {
	for _, test := range []struct {
		name              string
		values            []float64
		low, middle, high float64
	}{
		{"of five are the second, third and fourth", []float64{50, 10, 40, 20, 30}, 20, 30, 40},
		{"stand between two values", []float64{1, 2}, 1.25, 1.5, 1.75},
		{"of one are that one", []float64{7}, 7, 7, 7},
	} {
		t.Run(test.name, func(t *testing.T) {
			low, middle, high := sample.Quartiles(test.values)
			if low != test.low || middle != test.middle || high != test.high {
				t.Errorf("got %v, %v, %v, want %v, %v, %v", low, middle, high, test.low, test.middle, test.high)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	for part, want := range map[float64]float64{0: 10, 0.5: 30, 0.99: 49.6, 1: 50} {
		if got := sample.Quantile([]float64{50, 10, 40, 20, 30}, part); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: got %v, want %v", part, got, want)
		}
	}
}

func TestMedianLeavesItsInputAlone(t *testing.T) {
	values := []float64{3, 1, 2}
	sample.Median(values)
	if !slices.Equal(values, []float64{3, 1, 2}) {
		t.Errorf("values are %v now", values)
	}
}

// A round in which the machine was slow must not count more than another one.
func TestRatioComparesWithinARound(t *testing.T) {
	if got := sample.Ratio([]float64{1, 100, 3}, []float64{2, 200, 4}); got != 0.5 {
		t.Errorf("got %v, want 0.5", got)
	}
}

func TestInterleave(t *testing.T) {
	var order []string
	record := func(name string) sample.Case[int] {
		return sample.Case[int]{Name: name, Run: func(context.Context) (int, error) {
			order = append(order, name)
			return len(order), nil
		}}
	}
	got, err := sample.Interleave(t.Context(), 3, []sample.Case[int]{record("a"), record("b")})
	if err != nil {
		t.Fatal(err)
	}
	if want := "a b b a a b"; strings.Join(order, " ") != want {
		t.Errorf("order %v, want %s", order, want)
	}
	if !slices.Equal(got[0], []int{1, 4, 5}) || !slices.Equal(got[1], []int{2, 3, 6}) {
		t.Errorf("got %v", got)
	}
}

func TestInterleaveTellsWhichCaseFailed(t *testing.T) {
	broken := errors.New("broken")
	_, err := sample.Interleave(t.Context(), 2, []sample.Case[int]{{Name: "the one", Run: func(context.Context) (int, error) { return 0, broken }}})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "the one, round 1") {
		t.Errorf("got %v", err)
	}
}

func TestInterleaveEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := sample.Interleave(ctx, 1, []sample.Case[int]{{Run: func(context.Context) (int, error) { return 0, nil }}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
