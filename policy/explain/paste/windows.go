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

// windowsLines does what cmd does: a caret takes the meaning from what follows,
// and at the end of a line joins the next one. Two line ends after it are one
// that counts. Lines and "&" end a command, unless they stand in quotes.
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

// windowsWords does what programs do with their command line: white space ends a
// word unless it stands in quotes, a backslash before a quote makes it a letter,
// and so do two quotes within quotes. Chrome doubles other backslashes.
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
