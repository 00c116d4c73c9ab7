// Package plot draws line charts as SVG: two axes, either of them logarithmic,
// ticks with numbers, and a legend. A reader who prefers dark pages sees it dark.
package plot

import (
	"bytes"
	"embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/template"
)

//go:embed chart.svg.tmpl
var files embed.FS

// Point is one measurement.
type Point struct{ X, Y float64 }

// Series is one line of a chart.
type Series struct {
	Name   string
	Points []Point // in the order of X
}

// Axis is one axis of a chart.
type Axis struct {
	// Label says what the axis measures, with the unit.
	Label string
	// Log makes the axis logarithmic; values must then be above zero. A linear
	// axis begins at zero.
	Log bool
}

// Chart is a line chart.
type Chart struct {
	Title  string
	X, Y   Axis
	Series []Series // at most as many as there are colours; more share them
}

// The frame that the lines are drawn in, in the picture of 720 by 400.
const (
	left, right = 80.0, 700.0
	top, bottom = 50.0, 320.0
)

// colour is a line's colour on a light and on a dark page.
type colour struct{ Light, Dark string }

// colours tell the lines apart, for the colour-blind, too (Okabe and Ito).
var colours = []colour{{"#0072b2", "#56b4e9"}, {"#d55e00", "#e69f00"}, {"#009e73", "#009e73"}, {"#cc79a7", "#cc79a7"}, {"#56b4e9", "#f0e442"}}

// SVG draws the chart. It is an error if there is no point, or one that a
// logarithmic axis cannot show.
func (c Chart) SVG() ([]byte, error) {
	x, y, err := c.scales()
	if err != nil {
		return nil, fmt.Errorf("plot %q: %w", c.Title, err)
	}
	v := view{Chart: c, Colours: colours, Left: left, Right: right, Top: top, Bottom: bottom, XTicks: x.ticks(), YTicks: y.ticks()}
	for i, s := range c.Series {
		v.Lines = append(v.Lines, newLine(i, s, x, y))
	}
	t, err := template.New("").Funcs(template.FuncMap{"text": escape}).ParseFS(files, "chart.svg.tmpl")
	if err != nil {
		return nil, fmt.Errorf("plot %q: %w", c.Title, err)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "chart.svg.tmpl", v); err != nil {
		return nil, fmt.Errorf("plot %q: %w", c.Title, err)
	}
	return out.Bytes(), nil
}

// view is what the template reads.
type view struct {
	Chart
	Colours                  []colour
	Left, Right, Top, Bottom float64
	XTicks, YTicks           []tick
	Lines                    []line
}

// line is a series as it is drawn.
type line struct {
	Name    string
	Colour  int    // index in colours
	Path    string // "x,y x,y ..."
	Dots    []Point
	LegendX float64
}

// legendStep is the room for one name in the legend.
const legendStep = 150

func newLine(i int, s Series, x, y scale) line {
	l := line{Name: s.Name, Colour: i % len(colours), LegendX: left + float64(i)*legendStep}
	var path []string
	for _, p := range s.Points {
		dot := Point{x.at(p.X), y.at(p.Y)}
		l.Dots = append(l.Dots, dot)
		path = append(path, fmt.Sprintf("%.1f,%.1f", dot.X, dot.Y))
	}
	l.Path = strings.Join(path, " ")
	return l
}

// scales returns the scales that all points fit in.
func (c Chart) scales() (x, y scale, err error) {
	var xs, ys []float64
	for _, s := range c.Series {
		for _, p := range s.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	if x, err = newScale(c.X, xs, left, right); err != nil {
		return x, y, err
	}
	y, err = newScale(c.Y, ys, bottom, top)
	return x, y, err
}

// escape makes s text of an XML element.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// number writes v shortly: 1k, 2.5M, 0.01.
func number(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= unit.size {
			return strconv.FormatFloat(v/unit.size, 'g', 4, 64) + unit.name
		}
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}
