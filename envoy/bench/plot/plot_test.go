package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/corsgate/corsgate/envoy/bench/plot"
)

// drawn is what a test reads of a picture.
type drawn struct {
	Title string   `xml:"title"`
	Texts []string `xml:"text"`
	Lines []struct {
		Points string `xml:"points,attr"`
	} `xml:"polyline"`
}

func draw(t *testing.T, c plot.Chart) drawn {
	t.Helper()
	svg, err := c.SVG()
	if err != nil {
		t.Fatal(err)
	}
	var d drawn
	if err := xml.Unmarshal(svg, &d); err != nil {
		t.Fatalf("the picture is no XML: %v\n%s", err, svg)
	}
	return d
}

func (d drawn) shows(text string) bool {
	for _, have := range d.Texts {
		if have == text {
			return true
		}
	}
	return false
}

func TestLogarithmicAxisMarksPowersOfTen(t *testing.T) {
	d := draw(t, plot.Chart{
		Title: "a < b & c", X: plot.Axis{Label: "origins", Log: true}, Y: plot.Axis{Label: "ns"},
		Series: []plot.Series{{Name: "hit", Points: []plot.Point{{X: 1, Y: 10}, {X: 1000, Y: 20}, {X: 1e6, Y: 40}}}},
	})
	if d.Title != "a < b & c" {
		t.Errorf("title %q", d.Title)
	}
	for _, want := range []string{"1", "10", "1k", "100k", "1M", "0", "20", "40", "origins", "ns", "hit"} {
		if !d.shows(want) {
			t.Errorf("no text %q in %q", want, d.Texts)
		}
	}
	// A thousand lies in the middle of 1 and a million, and 40 at the top.
	if want := "80.0,252.5 390.0,185.0 700.0,50.0"; d.Lines[0].Points != want {
		t.Errorf("drawn at %q, want %q", d.Lines[0].Points, want)
	}
}

func TestEachSeriesIsALine(t *testing.T) {
	one := []plot.Point{{X: 1, Y: 1}, {X: 2, Y: 2}}
	d := draw(t, plot.Chart{Series: []plot.Series{{Name: "a", Points: one}, {Name: "b", Points: one}}})
	if len(d.Lines) != 2 || !d.shows("a") || !d.shows("b") {
		t.Errorf("drew %+v", d)
	}
}

func TestWhatCannotBeDrawnIsAnError(t *testing.T) {
	for name, c := range map[string]plot.Chart{
		"no point at all":            {},
		"zero on a logarithmic axis": {X: plot.Axis{Log: true}, Series: []plot.Series{{Points: []plot.Point{{X: 0, Y: 1}}}}},
		"no number":                  {Series: []plot.Series{{Points: []plot.Point{{X: 1, Y: math.NaN()}}}}},
		"a negative value":           {Series: []plot.Series{{Points: []plot.Point{{X: 1, Y: -1}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if svg, err := c.SVG(); err == nil {
				t.Errorf("drew %s", svg)
			}
		})
	}
}

// A value that is the same everywhere still has a place.
func TestEqualValuesAreDrawn(t *testing.T) {
	svg, err := plot.Chart{X: plot.Axis{Log: true}, Series: []plot.Series{{Points: []plot.Point{{X: 10, Y: 0}, {X: 10, Y: 0}}}}}.SVG()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
		t.Errorf("drew\n%s", svg)
	}
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// style is how a picture is coloured.
var style = regexp.MustCompile(`(?s)<style>.*?</style>`)

// TestPlotsAreColouredAsTheyAreDrawn compares the kept plots with one that is drawn now:
// to measure again takes long, and to colour them does not.
func TestPlotsAreColouredAsTheyAreDrawn(t *testing.T) {
	svg, err := plot.Chart{Series: []plot.Series{{Points: []plot.Point{{X: 1, Y: 1}}}}}.SVG()
	if err != nil {
		t.Fatal(err)
	}
	want := style.FindString(string(svg))
	if !strings.Contains(want, "prefers-color-scheme:dark") {
		t.Errorf("no dark form in\n%s", svg)
	}
	kept, err := filepath.Glob("../plots/*.svg")
	if err != nil || len(kept) == 0 {
		t.Fatalf("plots: %q %v", kept, err)
	}
	for _, name := range kept {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := style.FindString(string(text)); got != want {
			t.Errorf("%s has the style %q, want %q", name, got, want)
		}
		if own := regexp.MustCompile(`="#[^"]*"`).FindString(string(text)); own != "" {
			t.Errorf("%s has a colour beside its style: %s", name, own)
		}
	}
}
