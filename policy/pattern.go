package policy

// Form is the shape of a Pattern.
type Form uint8

// The forms of a pattern, from the narrowest to the widest.
const (
	FormExact     Form = iota // https://app.example.com
	FormLabel                 // https://app-*.example.com: within the leftmost label
	FormSubdomain             // https://*.example.com: one or more labels, never the apex
	FormAnyHost               // https://*
	FormAny                   // *
	FormNull                  // null
)

// AnyPort is a Pattern's Port for "any port or none".
const AnyPort = -1

// Pattern is one compiled entry of allowOrigins. It is comparable.
type Pattern struct {
	Form   Form
	Scheme string
	// Host is the host of FormExact, what stands right of the star's label of
	// FormLabel and FormSubdomain, else empty.
	Host string
	// Prefix and Suffix surround the star of FormLabel within its label.
	Prefix, Suffix string
	// Port is the port, 0 for the scheme's default one, or AnyPort.
	Port int
}
