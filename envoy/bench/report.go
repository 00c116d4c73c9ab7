package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/corsgate/corsgate/envoy/bench/plot"
)

// report has the results.
type report struct {
	// busy is the machine's load average before the benchmark began. It is empty if
	// the system does not say.
	busy     string
	sections []*section
	charts   map[string]plot.Chart // :: file name
}

// section is a table of the report.
type section struct {
	title, about string
	columns      []string
	rows         [][]string
	// after is text below the table, such as a profile.
	after string
}

// section begins a table.
func (r *report) section(title, about string, columns ...string) *section {
	s := &section{title: title, about: about, columns: columns}
	r.sections = append(r.sections, s)
	return s
}

// goals begins a table of measurements that have a goal.
func (r *report) goals(title, about string) *section {
	return r.section(title, about, "what", "median", "goal", "")
}

// byKind makes a table of what was measured of setups, with a column for each kind of
// requests. A cell is empty if that was not measured.
func (r *report) byKind(title, about, measured string, list []setup, cell func(setup, kind string) string) {
	s := r.section(title, about, measured)
	for _, k := range every() {
		s.columns = append(s.columns, k.name)
	}
	for _, setup := range list {
		cells := []string{setup.name}
		for _, k := range every() {
			cells = append(cells, cell(setup.name, k.name))
		}
		s.row(cells...)
	}
}

// judge adds a measurement that should be at most limit.
func (s *section) judge(what string, value, limit float64, unit string) {
	s.row(what, number(value)+unit, "≤ "+number(limit)+unit, verdict(value, limit))
}

func verdict(value, limit float64) string {
	if value <= limit { // NaN is no success
		return "met"
	}
	return "**missed**"
}

// judgeBeside adds a ratio that should be at most limit, if that is not 0, and another
// measurement without a goal. Each of the two may be missing.
func (s *section) judgeBeside(what string, ratio, limit float64, other string) {
	switch text := strconv.FormatFloat(ratio, 'f', 3, 64); {
	case math.IsNaN(ratio) && other == "":
	case math.IsNaN(ratio):
		s.row(what, "", "", "", other)
	case limit == 0:
		s.row(what, text, "", "", other)
	default:
		s.row(what, text, "≤ "+number(limit), verdict(ratio, limit), other)
	}
}

// tell adds a measurement that has no goal.
func (s *section) tell(what string, value float64, unit string) {
	s.row(what, number(value)+unit, "", "")
}

func (s *section) row(cells ...string) { s.rows = append(s.rows, cells) }

// chart adds a plot.
func (r *report) chart(file string, c plot.Chart) {
	if r.charts == nil {
		r.charts = map[string]plot.Chart{}
	}
	r.charts[file] = c
}

// loadAverage is how many threads wanted a CPU in the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// number writes v with three significant digits, without zeros at the end of the
// fraction.
func number(v float64) string {
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// plots is the folder of the plots beside results.md.
const plots = "plots"

// markdown writes the report, which shows the plots.
func (r *report) markdown(w io.Writer, rounds int) error {
	_, err := fmt.Fprintf(w, "Medians of %d interleaved rounds (%d where one takes long) on %s/%s with %d CPUs, %s. Ratios are of CPU time, if they are not said to be of instructions.\n",
		rounds, min(rounds, slowRounds), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	if r.busy != "" {
		_, err = fmt.Fprintf(w, "The machine's load average before was %s; what is not 0 disturbs.\n", r.busy)
	}
	for _, s := range r.sections {
		err = errors.Join(err, s.markdown(w))
	}
	for _, name := range slices.Sorted(maps.Keys(r.charts)) {
		_, wrote := fmt.Fprintf(w, "\n![%s](%s/%s)\n", r.charts[name].Title, plots, name)
		err = errors.Join(err, wrote)
	}
	return err
}

func (s *section) markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n", s.title)
	if s.about != "" {
		fmt.Fprintf(&b, "%s\n\n", s.about)
	}
	if len(s.columns) > 0 {
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(s.columns, " | "), strings.Repeat("---|", len(s.columns)))
	}
	for _, row := range s.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	if s.after != "" {
		fmt.Fprintf(&b, "\n%s\n", s.after)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// write writes results.md and the plots into folder, which has one for the plots.
func (r *report) write(folder string, rounds int) (err error) {
	f, err := os.Create(filepath.Join(folder, "results.md"))
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := r.markdown(f, rounds); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.charts)) {
		svg, err := r.charts[name].SVG()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, plots, name), svg, 0o644); err != nil {
			return fmt.Errorf("write the plots: %w", err)
		}
	}
	return nil
}
