package paste

import (
	"regexp"
	"strings"
)

// windowsForm finds what Chrome's "Copy as cURL (cmd)" writes: a caret before
// the first quote, or at the end of a line.
var windowsForm = regexp.MustCompile(`(?i)^\S*curl(?:\.exe)?\s+\^"|\^[ \t]*\n`)

func isWindows(text string) bool { return windowsForm.MatchString(text) }

// windowsCommands splits as Windows' cmd and the programs' own parser do.
func windowsCommands(text string) (commands [][]string) {
	for _, line := range windowsLines(text) {
		commands = append(commands, windowsWords(line))
	}
	return commands
}

// windowsLines splits as cmd does. A caret makes the next character an ordinary one. At the
// end of a line it joins the next line; two line ends after it are one ordinary line end.
// The end of a line and "&" end a command, unless they are in quotes.
func windowsLines(text string) (lines []string) {
	var line strings.Builder
	quoted := false
	end := func() {
		lines = append(lines, line.String())
		line.Reset()
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '^' && i+1 < len(text):
			i++
			if text[i] != '\n' {
				line.WriteByte(text[i])
			} else if i+1 < len(text) && text[i+1] == '\n' {
				i++
				line.WriteByte('\n')
			}
		case c == '&' && !quoted, c == '\n' && !quoted:
			end()
		default:
			quoted = quoted != (c == '"')
			line.WriteByte(c)
		}
	}
	end()
	return lines
}

// windowsWords splits as programs split their command line. White space ends a word, unless
// it is in quotes. A quote is an ordinary character after a backslash, or doubled within
// quotes. Chrome doubles other backslashes.
func windowsWords(line string) (words []string) {
	var word strings.Builder
	begun, quoted := false, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		if strings.IndexByte(" \t\n", c) >= 0 && !quoted {
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
			continue
		}
		begun = true
		switch next := line[i+1:]; {
		case c == '\\' && strings.HasPrefix(next, `\`), c == '\\' && strings.HasPrefix(next, `"`), c == '"' && quoted && strings.HasPrefix(next, `"`):
			i++
			word.WriteByte(line[i])
		case c == '"':
			quoted = !quoted
		default:
			word.WriteByte(c)
		}
	}
	if begun {
		words = append(words, word.String())
	}
	return words
}
