package paste

import (
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/corsgate/corsgate/policy/explain"
)

// powerShell finds the text that "Copy as PowerShell" gives.
var powerShell = regexp.MustCompile(`(?i)\b(invoke-(webrequest|restmethod)|new-object microsoft\.powershell)\b`)

// maxCommand is how many bytes Command reads: a shell's syntax tree takes some 40 times as
// much memory.
const maxCommand = 4 << 20

// Command reads one or several curl commands, for a shell or for Windows' cmd, or calls of
// fetch. The error says what to copy instead.
func Command(text string) ([]explain.Question, error) {
	if len(text) > maxCommand {
		return nil, fmt.Errorf(`the commands have more than %d MiB: copy fewer requests, or save all of them as a HAR file`, maxCommand>>20)
	}
	text = strings.TrimSpace(strings.ReplaceAll(strings.TrimPrefix(text, byteOrderMark), "\r\n", "\n"))
	switch {
	case fetchCall.MatchString(text):
		return fetchCalls(text)
	case powerShell.MatchString(text):
		return nil, errors.New(`PowerShell's form is not read: copy the request as "cURL (bash)", "cURL (cmd)" or "fetch"`)
	}
	commands, err := split(text)
	if err != nil {
		return nil, fmt.Errorf("read the curl command: %w", err)
	}
	var qs []explain.Question
	for _, words := range commands {
		if !isCurl(words) {
			continue // another command, before curl or reading its output
		}
		q, err := curlQuestion(words[1:])
		if err != nil {
			return nil, err
		}
		qs = append(qs, q)
	}
	if qs == nil {
		return nil, errors.New(`that is not a curl command: copy the request as "cURL" or "fetch" in the browser's developer tools`)
	}
	return qs, nil
}

// byteOrderMark is at the beginning of files that some tools save.
const byteOrderMark = "\ufeff"

// isCurl reports whether a command is curl, wherever it is installed.
func isCurl(words []string) bool {
	if len(words) == 0 {
		return false
	}
	name := strings.ToLower(path.Base(strings.ReplaceAll(words[0], `\`, "/")))
	return name == "curl" || name == "curl.exe"
}

// split returns the words of each command.
func split(text string) ([][]string, error) {
	text = prompt.ReplaceAllString(text, "${1}")
	if isWindows(text) {
		return windowsCommands(text), nil
	}
	return shellCommands(text)
}

// prompt finds the prompt before a command in a terminal: "$ ", or the folder and ">" of
// Windows.
var prompt = regexp.MustCompile(`(?mi)^[ \t]*(?:[$%#]|(?:PS )?[a-z]:\\[^>\n]*>)[ \t]*(\S*curl(?:\.exe)?\s)`)

// shellCommands splits as a shell does, but runs nothing and does not expand variables.
func shellCommands(text string) (commands [][]string, err error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(text), "")
	if err != nil {
		return nil, err
	}
	cfg := &expand.Config{
		Env:       expand.FuncEnviron(func(name string) string { return "$" + name }),
		CmdSubst:  func(_ io.Writer, c *syntax.CmdSubst) error { return notRun(c, "write there what it prints") },
		ProcSubst: func(p *syntax.ProcSubst) (string, error) { return "", notRun(p, "write the name of a file there") },
	}
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || err != nil {
			return err == nil
		}
		var words []string
		words, err = literals(cfg, call.Args)
		commands = append(commands, words)
		return err == nil
	})
	return commands, err
}

// notRun is the error of a command within another one, which a shell would run.
func notRun(n syntax.Node, instead string) error {
	return fmt.Errorf("the command at %s is not run: %s", n.Pos(), instead)
}

// literals returns the words without their quotes. It does not expand braces, which may
// stand for any number of words.
func literals(cfg *expand.Config, args []*syntax.Word) (words []string, err error) {
	for _, arg := range args {
		word, err := expand.Literal(cfg, arg)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
	}
	return words, nil
}
