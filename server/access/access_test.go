package access

import (
	"io/fs"
	"testing"
)

func TestRefusalSaysWhoNeedsWhat(t *testing.T) {
	them := user{id: 65532, groups: []int{65532, 7}}
	for name, c := range map[string]struct {
		o    owned
		u    user
		need fs.FileMode
		want string
	}{
		"a file of somebody else's":                    {owned{0, 0, 0o600}, them, read, `user 65532 needs read (r) on "p", which has mode 0600, user 0 and group 0: chmod o+r`},
		"a file of its group's":                        {owned{0, 7, 0o600}, them, read, `user 65532 needs read (r) on "p", which has mode 0600, user 0 and group 7: chmod g+r`},
		"its own file":                                 {owned{65532, 0, 0o044}, them, read, `user 65532 needs read (r) on "p", which has mode 0044, user 65532 and group 0: chmod u+r`},
		"the group's permissions count before others'": {owned{0, 7, 0o604}, them, read, `user 65532 needs read (r) on "p", which has mode 0604, user 0 and group 7: chmod g+r`},
		"a folder on the way":                          {owned{0, 0, fs.ModeDir | 0o744}, them, search, `user 65532 needs search (x) on the folder "p", which has mode 0744, user 0 and group 0: chmod o+x`},
		"a folder to list":                             {owned{0, 0, fs.ModeDir | 0o700}, them, read | search, `user 65532 needs read and search (rx) on the folder "p", which has mode 0700, user 0 and group 0: chmod o+rx`},
		"a folder that can be searched":                {owned{0, 0, fs.ModeDir | 0o711}, them, read | search, `user 65532 needs read (r) on the folder "p", which has mode 0711, user 0 and group 0: chmod o+r`},
		"what others may read":                         {owned{0, 0, 0o604}, them, read, ""},
		"what its group may read":                      {owned{0, 7, 0o640}, them, read, ""},
		"its own":                                      {owned{65532, 0, 0o400}, them, read, ""},
		"the superuser":                                {owned{65532, 0, 0}, user{}, read, ""},
	} {
		if got := c.o.refusal(c.u, c.need, "p"); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}
