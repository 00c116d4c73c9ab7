// Package store keeps releases of policies where many instances can follow them.
//
// A release is what a policy folder says, cut into units: a policy or an origin group
// each, named by its hash. A record says which units a release has put and removed since
// the one before, its parent. One object can change, the target, which names the record
// to serve; so a change of any size becomes visible by one small transaction. All other
// objects are immutable, and what the target does not lead to is garbage.
//
// The objects of a fleet, by their keys:
//
//	w/target                  which record is served
//	w/log/<revision>-<hash>   the record of a release
//	u/<sha256>                a unit, compressed
//	c/<revision>-<hash>/<n>   a part of a checkpoint: all units of a release
//	p/<id>                    a push that is under way
//	i/now/<instance>          what an instance reports, while it does
//	i/known/<instance>        the same for a day
//
// Every object has a version of its format, "v". A reader refuses a higher one than it
// knows, and leaves fields that it does not know alone.
//
// A [Backend] holds the objects: [Folder] in files, package server/source/etcd in etcd.
// [Source] serves them.
package store
