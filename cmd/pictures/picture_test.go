package main

import (
	"image"
	"os"
	"testing"
	"unicode/utf8"
)

func TestCommittedPicturesAreWhatIsDrawn(t *testing.T) {
	for name, p := range pictures() {
		want, err := p.svg()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what is drawn (%v): go run ./cmd/pictures cmd/pictures", name, err)
		}
	}
	if files, err := os.ReadDir("."); err != nil || len(files) != len(pictures())+5 {
		t.Errorf("the folder has a file that nothing draws: %v, %v", files, err)
	}
}

// bounds returns the room of a text, for a font that is rather wide.
func (t text) bounds() image.Rectangle {
	perLetter := 54 // hundredths of the size
	if t.Bold {
		perLetter = 60
	}
	w := utf8.RuneCountInString(t.Text) * t.Size * perLetter / 100
	left := t.X
	if t.Anchor == "middle" {
		left -= w / 2
	}
	return image.Rect(left, t.Y-t.Size+2, left+w, t.Y+3)
}

func (b box) bounds() image.Rectangle { return image.Rect(b.x, b.y, b.x+b.w, b.y+b.h) }

func (b badge) bounds() image.Rectangle { return image.Rect(b.X-10, b.Y-10, b.X+10, b.Y+10) }

// points returns places on an arrow, a few apart.
func (a arrow) points() (all []image.Point) {
	const parts = 100
	for i := range parts + 1 {
		all = append(all, image.Pt(a.x1+(a.x2-a.x1)*i/parts, a.y1+(a.y2-a.y1)*i/parts))
	}
	return all
}

// TestNothingIsDrawnOverText holds texts and numbers apart from each other and from
// the arrows, and within their box and the picture.
func TestNothingIsDrawnOverText(t *testing.T) {
	for name, p := range pictures() {
		whole := image.Rect(0, 0, width, p.total())
		texts := p.written()
		for i, one := range texts {
			if !one.bounds().In(whole) {
				t.Errorf("%s: %q leaves the picture", name, one.Text)
			}
			for _, other := range texts[:i] {
				if one.bounds().Overlaps(other.bounds()) {
					t.Errorf("%s: %q and %q overlap", name, one.Text, other.Text)
				}
			}
			for _, b := range p.badges() {
				if one.bounds().Overlaps(b.bounds()) {
					t.Errorf("%s: the number %d covers %q", name, b.Number, one.Text)
				}
			}
			for _, a := range p.arrows {
				if crosses(a, one) {
					t.Errorf("%s: an arrow crosses %q", name, one.Text)
				}
			}
		}
		for _, b := range p.boxes {
			for _, line := range b.caption() {
				if !line.bounds().In(b.bounds()) {
					t.Errorf("%s: %q leaves its box", name, line.Text)
				}
			}
		}
	}
}

func crosses(a arrow, over text) bool {
	for _, at := range a.points() {
		if at.In(over.bounds()) {
			return true
		}
	}
	return false
}

// TestEachNumberIsExplained holds the numbers of arrows and boxes to the legend.
func TestEachNumberIsExplained(t *testing.T) {
	for name, p := range pictures() {
		drawn := map[int]int{}
		for _, b := range p.badges() {
			drawn[b.Number]++
		}
		for number, times := range drawn {
			if times != 2 || number > len(p.legend) {
				t.Errorf("%s: the number %d is there %d times", name, number, times)
			}
		}
	}
}
