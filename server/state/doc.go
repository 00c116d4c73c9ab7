// Package state keeps the last known good policies in a folder, so that an instance
// serves them after a restart while their source is away.
//
// What is kept are the files that the policies were judged from, not what was made of
// them: package policyfile judges the copy as it judges users' files.
//
// A generation is a file of frames. It begins with all files of a set; a later set adds
// the files that it changed. After the frames of a set comes a commit, and then the file
// is synchronised. What follows the last whole commit does not count. When a generation
// has grown to twice its size, the next one is written beside it, and the one before is
// kept: if a generation cannot be read, the one before it is.
//
// Each frame has a checksum, and each commit the hash of all names and contents, so that
// a damaged file is read as it was at a commit, or not at all. They do not protect from
// who may write to the folder.
package state
