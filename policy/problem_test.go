package policy

import (
	"errors"
	"testing"
)

func TestLevelIsAWordInText(t *testing.T) {
	for _, l := range []Level{Error, Warning, Note} {
		text, err := l.MarshalText()
		var back Level = 9
		if err = errors.Join(err, back.UnmarshalText(text)); err != nil || back != l || string(text) != l.String() {
			t.Errorf("%v: %s, %v, %v", l, text, back, err)
		}
	}
	var l Level
	if err := l.UnmarshalText([]byte("fatal")); err == nil {
		t.Error("a word that is no level is read")
	}
}
