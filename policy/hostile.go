package policy

// Hostile returns an origin that p matches, and that somebody else has who may
// choose whatever p's stars leave open: the witness of a pattern that allows
// too much. It is p itself if p is a single origin.
func (p Pattern) Hostile() string {
	o := Origin{Scheme: p.Scheme, Host: p.Host, Port: p.Port}
	switch p.Form {
	case FormAny:
		return strangers[0]
	case FormNull:
		return "null"
	case FormAnyHost:
		o.Host = "attacker.example"
	case FormSubdomain:
		o.Host = "attacker." + p.Host
	case FormLabel:
		o.Host = p.Prefix + "attacker" + p.Suffix + "." + p.Host
	}
	if p.Port == AnyPort {
		o.Port = 8443
	}
	return o.String()
}
