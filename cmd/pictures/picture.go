package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

//go:embed picture.svg.tmpl
var source string

// picture is boxes, arrows between them, and a legend below.
type picture struct {
	title  string
	height int // of the part above the legend
	boxes  []box
	arrows []arrow
	texts  []text
	legend []string // what the arrows 1, 2, ... mean
}

// width is that of every picture.
const width = 900

// box is a rectangle with a name, and smaller lines below it.
type box struct {
	x, y, w, h int
	name       string
	lines      []string
	outer      bool // other boxes are in it
	number     int  // in the legend; 0: none
}

// arrow is a straight line from one place to another.
type arrow struct {
	x1, y1, x2, y2 int
	number         int // in the legend; 0: none
	both           bool
	dashed         bool
}

// text is a line of text. Its anchor is "start" or "middle".
type text struct {
	X, Y, Size int
	Anchor     string
	Bold       bool
	Text       string
}

// The sizes of text, and the distances of lines.
const (
	large, small = 14, 12
	step         = 17
	legendStep   = 22
)

// caption returns a box's texts: the name at the top of one that others stand in,
// else all of it in the middle.
func (b box) caption() []text {
	x, y := b.x+b.w/2, b.y+b.h/2+5-step*len(b.lines)/2
	if b.outer {
		y = b.y + 22
	}
	all := []text{{x, y, large, "middle", true, b.name}}
	for _, l := range b.lines {
		y += step
		all = append(all, text{x, y, small, "middle", false, l})
	}
	return all
}

// badge is a number of the legend, as it is drawn.
type badge struct{ X, Y, Number int }

// badges returns the numbers: one in the middle of each arrow and at the bottom of
// each box that has one, and one before each line of the legend.
func (p picture) badges() (all []badge) {
	for _, b := range p.boxes {
		if b.number > 0 {
			all = append(all, badge{b.x + b.w/2, b.y + b.h - 24, b.number})
		}
	}
	for _, a := range p.arrows {
		if a.number > 0 {
			all = append(all, badge{(a.x1 + a.x2) / 2, (a.y1 + a.y2) / 2, a.number})
		}
	}
	for i := range p.legend {
		all = append(all, badge{30, p.height + legendStep*i + 8, i + 1})
	}
	return all
}

// written returns all texts but the numbers.
func (p picture) written() []text {
	all := append([]text(nil), p.texts...)
	for _, b := range p.boxes {
		all = append(all, b.caption()...)
	}
	for i, l := range p.legend {
		all = append(all, text{50, p.height + legendStep*i + 13, small + 1, "start", false, l})
	}
	return all
}

// total is the height with the legend.
func (p picture) total() int { return p.height + legendStep*len(p.legend) + 10 }

// svg draws the picture.
func (p picture) svg() ([]byte, error) {
	t, err := template.New("").Funcs(template.FuncMap{"text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace}).Parse(source)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]any{
		"Title": p.title, "Width": width, "Height": p.total(), "Boxes": p.drawnBoxes(), "Lines": p.drawnLines(),
		"Badges": p.badges(), "Texts": p.written(),
	})
	return out.Bytes(), err
}

func (p picture) drawnBoxes() (all []string) {
	for _, b := range p.boxes {
		class := "box"
		if b.outer {
			class = "outer"
		}
		all = append(all, fmt.Sprintf(`class="%s" x="%d" y="%d" width="%d" height="%d"`, class, b.x, b.y, b.w, b.h))
	}
	return all
}

func (p picture) drawnLines() (all []string) {
	for _, a := range p.arrows {
		line := fmt.Sprintf(`x1="%d" y1="%d" x2="%d" y2="%d" marker-end="url(#head)"`, a.x1, a.y1, a.x2, a.y2)
		if a.both {
			line += ` marker-start="url(#head)"`
		}
		if a.dashed {
			line += ` stroke-dasharray="5 4"`
		}
		all = append(all, line)
	}
	return all
}
