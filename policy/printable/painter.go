package printable

// Painter colours words for people at a terminal; the zero Painter colours
// nothing.
type Painter struct{ On bool }

// Red returns s in red.
func (p Painter) Red(s string) string { return p.paint("31", s) }

// Green returns s in green.
func (p Painter) Green(s string) string { return p.paint("32", s) }

// Yellow returns s in yellow.
func (p Painter) Yellow(s string) string { return p.paint("33", s) }

// Faint returns s as what matters less.
func (p Painter) Faint(s string) string { return p.paint("2", s) }

// paint writes s in a colour (ECMA-48, section 8.3.117).
func (p Painter) paint(colour, s string) string {
	if !p.On {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}
