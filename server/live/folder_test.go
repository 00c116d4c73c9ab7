package live_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/corsgate/corsgate/server/live"
)

func TestFolder(t *testing.T) {
	folder := live.Folder([]live.File{
		{Name: "p.yaml", Data: []byte("policies: []")},
		{Name: "groups/a/apps.txt", Data: []byte(app)},
		{Name: "groups/web.txt"},
		{Name: "../outside"},
		{Name: "/rooted"},
		{Name: "."},
	})
	if err := fstest.TestFS(folder, "p.yaml", "groups/a/apps.txt", "groups/web.txt"); err != nil {
		t.Error(err)
	}
	var names []string
	_ = fs.WalkDir(folder, ".", func(name string, _ fs.DirEntry, _ error) error {
		names = append(names, name)
		return nil
	})
	if len(names) != 6 {
		t.Errorf("it has %q, want three files in three folders", names)
	}
	if data, err := fs.ReadFile(folder, "groups/a/apps.txt"); string(data) != app || err != nil {
		t.Errorf("read %q, %v", data, err)
	}
}
