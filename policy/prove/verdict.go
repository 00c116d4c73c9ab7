package prove

// Kind says how patterns compare with a regex.
type Kind uint8

// The kinds of a verdict.
const (
	Equal                Kind = iota // the patterns allow what the regex allows
	EqualPlusDefaultPort             // and the default port besides, where the regex wants any other
	EqualButOddNames                 // but for names that nobody can register
	NarrowedScheme                   // not what is no web page's
	NarrowedForeign                  // not what is somebody else's
	NarrowedOwn                      // not all that is below the domains that are meant
	WidenOnly                        // only patterns that allow more cover it
	None                             // no pattern is inside it
	Never                            // it matches no origin
)

var kinds = [...]string{
	"equal", "equal plus default port", "equal but odd names", "narrowed scheme", "narrowed foreign", "narrowed own",
	"widen only", "none", "never",
}

func (k Kind) String() string { return kinds[k] }

// Verdict says which patterns are proved to stand for a regex. All its witnesses
// are serialised origins; one that does not exist is empty.
type Verdict struct {
	Kind Kind
	// Patterns are those to write: each allows only what the regex allows, but for
	// Added.
	Patterns []string
	// Lost is a shortest origin that the regex allows and Patterns do not. LostOwn is
	// such a web page at or below the domains that are meant; Hole is one that the regex
	// allows elsewhere, so that it may be somebody else's.
	Lost, LostOwn, Hole string
	// Added is an origin that Patterns allow and the regex does not: one with the default
	// port, or with an odd name.
	Added string
	// Wider are patterns that cover every web page that the regex allows, if some of
	// them allow more.
	Wider []string
	// Widening are the patterns that may be meant, but are not in Patterns since they
	// allow more.
	Widening []Widening
}

// Widening is a pattern that allows more than a regex, and an origin that it allows
// besides.
type Widening struct{ Pattern, Witness string }
