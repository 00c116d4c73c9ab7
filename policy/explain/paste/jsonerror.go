package paste

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// misread says where text cannot be read, and what has to be there, by the error of its
// decoder.
func misread(text string, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		value, _, _ := strings.Cut(wrong.Value, " ") // a number may follow
		return fmt.Errorf("line %d: %s is %s, and has to be %s", lineAt(text, wrong.Offset), cmp.Or(wrong.Field, "the whole of it"), valueWords[value], kindWord(wrong.Type.Kind()))
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: it is not JSON: %w", lineAt(text, wrong.Offset), err)
	}
	return err
}

func lineAt(text string, offset int64) int { return 1 + strings.Count(text[:offset], "\n") }

// valueWords are our words for the kinds of values that the decoder names.
var valueWords = map[string]string{"array": "a list", "bool": "true or false", "number": "a number", "object": "an object", "string": "text"}

// kindWord returns the word for a value that is decoded into that kind.
func kindWord(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "a list"
	case reflect.Int:
		return "a whole number"
	}
	return "an object"
}
