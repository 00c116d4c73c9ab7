package prove

import "regexp"

// Literal is the regex of one text.
func Literal(text string) Regex { return Regex{Expr: regexp.QuoteMeta(text)} }
