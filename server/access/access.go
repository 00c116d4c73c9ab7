// Package access says which permission is missing to read a file.
package access

import (
	"fmt"
	"io/fs"
	"slices"
)

// user is who wants to read.
type user struct {
	id     int
	groups []int
}

// owned is whose a file or a folder is, and what its mode allows whom.
type owned struct {
	user, group int
	mode        fs.FileMode
}

// The permissions of a mode, of others; those of the group and of the owner
// stand three and six bits above them.
const (
	read   fs.FileMode = 4
	search fs.FileMode = 1
)

// names are the permissions in words.
var names = map[fs.FileMode]struct{ word, letters string }{
	read:          {"read (r)", "r"},
	search:        {"search (x)", "x"},
	read | search: {"read and search (rx)", "rx"},
}

// lacking returns which of the needed permissions o does not give to u, and
// whom it would have to give them to: u, g or o, as chmod says it. Of the three
// kinds, the first that u is of counts alone (POSIX.1-2017, section 4.5).
func (o owned) lacking(u user, need fs.FileMode) (lacks fs.FileMode, whom string) {
	switch {
	case u.id == 0: // the superuser needs none
		return 0, ""
	case u.id == o.user:
		return need &^ (o.mode >> 6), "u"
	case slices.Contains(u.groups, o.group):
		return need &^ (o.mode >> 3), "g"
	}
	return need &^ o.mode, "o"
}

// refusal says what u needs on the file or folder at path, and the chmod that
// gives it; it is empty where o allows it.
func (o owned) refusal(u user, need fs.FileMode, path string) string {
	lacks, whom := o.lacking(u, need)
	if lacks == 0 {
		return ""
	}
	n, what := names[lacks], ""
	if o.mode.IsDir() {
		what = "the folder "
	}
	return fmt.Sprintf("user %d needs %s on %s%q, which has mode %04o, user %d and group %d: chmod %s+%s",
		u.id, n.word, what, path, o.mode.Perm(), o.user, o.group, whom, n.letters)
}
