// Package sample measures things side by side: each case once in a round, round after
// round, so that a disturbance of the machine affects all of them.
package sample

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// Case is one of the things that are compared.
type Case[T any] struct {
	// Name names the case in errors.
	Name string
	// Run measures the case once.
	Run func(context.Context) (T, error)
}

// Interleave runs each case once in a round, and returns what the cases measured, by case
// and then by round. Every other round goes backwards, so that no case always comes after
// the same one.
func Interleave[T any](ctx context.Context, rounds int, cases []Case[T]) ([][]T, error) {
	got := make([][]T, len(cases))
	for round := range rounds {
		for i := range cases {
			if round%2 == 1 {
				i = len(cases) - 1 - i
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			v, err := cases[i].Run(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", cases[i].Name, round+1, err)
			}
			got[i] = append(got[i], v)
		}
	}
	return got, nil
}

// Median returns the median of values, or NaN if there are none.
func Median(values []float64) float64 {
	_, middle, _ := Quartiles(values)
	return middle
}

// Quartiles returns the quartiles of values, or NaN if there are none.
func Quartiles(values []float64) (low, middle, high float64) {
	return Quantile(values, 0.25), Quantile(values, 0.5), Quantile(values, 0.75)
}

// Quantile returns the value that a part of values, from 0 to 1, are below, or NaN if
// there are none. It interpolates between two values.
func Quantile(values []float64, part float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	whole, rest := math.Modf(part * float64(len(sorted)-1))
	i := int(whole)
	return sorted[i] + rest*(sorted[min(i+1, len(sorted)-1)]-sorted[i])
}

// Ratio returns the median over the rounds of a's value divided by b's of the
// same round.
func Ratio(a, b []float64) float64 { return Median(Ratios(a, b)) }

// Ratios returns a's value divided by b's of the same round, for each round.
func Ratios(a, b []float64) []float64 {
	ratios := make([]float64, min(len(a), len(b)))
	for i := range ratios {
		ratios[i] = a[i] / b[i]
	}
	return ratios
}
