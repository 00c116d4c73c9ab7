// Package recent remembers a sample of the last decisions, and how often the origins of
// each policy were allowed, in memory that no traffic can grow: for the console, which
// shows decisions as they come, replays them, and says which entries are used.
//
// A request pays for one atomic counter, and at most some hundred a second for a line of
// the decision log, too. Whoever reads is slow on their own account: readers take copies.
package recent
