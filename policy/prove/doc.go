// Package prove turns regexes over origins into the patterns of a policy, by
// proof. It compares what a regex matches with what patterns allow as automata over
// serialised origins: either they are equal, or there is a shortest origin that tells
// them apart.
//
// The patterns to compare are guessed from the regex's syntax. A wrong guess costs time,
// and never an origin: a pattern is proposed only if all its origins are the regex's
// too, or all but those whose port is the default one, or whose names nobody can
// register.
package prove
