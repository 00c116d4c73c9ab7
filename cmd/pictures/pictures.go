package main

// pictures returns all pictures by their file's name.
func pictures() map[string]picture {
	return map[string]picture{
		"request.svg":      request(),
		"no-trip.svg":      noTrip(),
		"one-trip.svg":     oneTrip(),
		"two-phase.svg":    twoPhase(),
		"ext-authz.svg":    extAuthz(),
		"architecture.svg": architecture(),
	}
}

// request is the way of a request if Envoy has the compiled policies.
func request() picture {
	p := withFilter("the compiled policies")
	p.title = "The way of a request"
	p.boxes = append(p.boxes,
		box{x: 290, y: 290, w: 210, h: 60, name: "corsgate", lines: []string{"compiles policies, answers"}},
		box{x: 20, y: 290, w: 130, h: 60, name: "Policy files"})
	p.arrows = append(p.arrows,
		arrow{x1: 345, y1: 200, x2: 345, y2: 290, number: 4, both: true, dashed: true},
		arrow{x1: 445, y1: 290, x2: 445, y2: 200, number: 5},
		arrow{x1: 150, y1: 320, x2: 290, y2: 320, number: 6})
	p.legend = append(p.legend,
		"Only if the policies cannot be compiled exactly for this request, Envoy asks corsgate. Other profiles ask about more.",
		"If the policies change, corsgate compiles them and Envoy takes them, without a restart.",
		"corsgate reads the files again if they change. Files with a mistake change nothing.")
	return p
}

// noTrip adds where Envoy's filters may come from, and who gets its decisions.
func noTrip() picture {
	p := withFilter("the compiled policies")
	p.title = "The profile no-trip"
	p.boxes = append(p.boxes,
		box{x: 20, y: 290, w: 190, h: 60, name: "Folder of filters", lines: []string{"of corsgate envoy-config"}},
		box{x: 290, y: 290, w: 370, h: 60, name: "corsgate", lines: []string{"not needed if Envoy reads filters from a folder"}})
	p.arrows = append(p.arrows,
		arrow{x1: 345, y1: 200, x2: 345, y2: 290, number: 4, both: true, dashed: true},
		arrow{x1: 410, y1: 290, x2: 410, y2: 200, number: 5},
		arrow{x1: 180, y1: 290, x2: 305, y2: 200, number: 6},
		arrow{x1: 475, y1: 200, x2: 475, y2: 290, number: 7, dashed: true})
	p.legend = append(p.legend,
		"With a service: Envoy asks about a request that the policies cannot be compiled for. Without: it grants nothing.",
		"With --ecds: corsgate compiles the policies and delivers them to Envoy, again after each change.",
		"Without --ecds: Envoy watches a folder, into which corsgate envoy-config writes the compiled policies.",
		"With --feed: Envoy tells corsgate what it has decided, for metrics and logs. No request waits for that.")
	return p
}

// withFilter is a page, an Envoy with one filter of corsgate's, and an application.
func withFilter(about string) picture {
	return picture{
		height: 385,
		boxes: []box{
			{x: 20, y: 50, w: 130, h: 160, name: "Page", lines: []string{"in a browser"}},
			{x: 270, y: 15, w: 430, h: 205, name: "Envoy", outer: true},
			{x: 290, y: 50, w: 210, h: 150, name: "corsgate's filter", lines: []string{about}},
			{x: 550, y: 50, w: 130, h: 150, name: "Other filters", lines: []string{"authentication,", "rate limits, ..."}},
			{x: 760, y: 50, w: 120, h: 160, name: "Application"},
		},
		arrows: append(append([]arrow{{x1: 150, y1: 75, x2: 290, y2: 75, number: 1, both: true}},
			way(125, 2, [2]int{150, 290}, [2]int{500, 550}, [2]int{680, 760})...), way(175, 3, [2]int{760, 680}, [2]int{550, 500}, [2]int{290, 150})...),
		legend: []string{
			"A preflight: Envoy answers it by itself. Neither the other filters nor the application see it.",
			"Every other request goes on, with an Origin or without. Only a policy's deniedRequests has Envoy answer 403 here.",
			"The answer, an error of Envoy's too: the filter removes the application's CORS headers and sets the policy's.",
		},
	}
}

// way returns arrows at one height, from an x to another. The first one has the
// number.
func way(y, number int, xs ...[2]int) (all []arrow) {
	for _, x := range xs {
		all = append(all, arrow{x1: x[0], y1: y, x2: x[1], y2: y, number: number})
		number = 0
	}
	return all
}

func oneTrip() picture {
	p := asking("one message", static())
	p.title = "The profile one-trip"
	p.legend = []string{
		"A request or preflight with an Origin: corsgate.decide asks corsgate, by one ext_proc message with its headers.",
		"A preflight is answered at once, as corsgate says.",
		"Every other request goes on, with the decision in its metadata. Without an Origin, corsgate is not asked.",
		"The answer, an error of Envoy's too: corsgate.apply sets the headers from the metadata. Nobody is asked.",
		"If the request had no Origin, corsgate.static removes the application's CORS headers and sets Vary: Origin.",
	}
	return p
}

func extAuthz() picture {
	p := asking("one unary call", static())
	p.title = "The profile ext-authz"
	p.legend = []string{
		"A request or preflight with an Origin: corsgate.decide asks corsgate, by one unary ext_authz call.",
		"A preflight is answered at once, as corsgate says: for Envoy it is a denied request.",
		"Every other request goes on, with the decision in its metadata. Without an Origin, corsgate is not asked.",
		"The answer, an error of Envoy's too: corsgate.apply sets the headers from the metadata. Nobody is asked.",
		"If the request had no Origin, corsgate.static removes the application's CORS headers and sets Vary: Origin.",
	}
	return p
}

func twoPhase() picture {
	p := asking("two messages")
	p.title = "The profile two-phase"
	p.arrows = append(p.arrows, arrow{x1: 290, y1: 220, x2: 290, y2: 300, number: 5, both: true})
	p.legend = []string{
		"Every request: corsgate.decide asks corsgate by an ext_proc stream, with the request's headers.",
		"A preflight is answered at once, as corsgate says.",
		"Every other request goes on, and the stream stays open.",
		"The answer, an error of Envoy's too: corsgate.apply removes the application's CORS headers.",
		"Then the answer's headers go to corsgate on the same stream. corsgate says which CORS headers to set.",
	}
	return p
}

// asking is a page, an Envoy whose filters ask corsgate, and an application. The
// third filter may be missing.
func asking(call string, third ...box) picture {
	p := picture{
		height: 395,
		boxes: append([]box{
			{x: 20, y: 50, w: 95, h: 170, name: "Page", lines: []string{"in a browser"}},
			{x: 175, y: 15, w: 575, h: 225, name: "Envoy", outer: true},
			{x: 190, y: 50, w: 135, h: 170, name: "corsgate.decide", lines: []string{"asks corsgate"}},
			{x: 350, y: 50, w: 130, h: 170, name: "corsgate.apply", lines: []string{"edits the answer"}, number: 4},
			{x: 665, y: 50, w: 70, h: 170, name: "Other", lines: []string{"filters"}},
			{x: 780, y: 50, w: 105, h: 170, name: "Application"},
			{x: 190, y: 300, w: 160, h: 60, name: "corsgate", lines: []string{call}},
		}, third...),
		arrows: []arrow{
			{x1: 225, y1: 220, x2: 225, y2: 300, number: 1, both: true},
			{x1: 190, y1: 75, x2: 115, y2: 75, number: 2},
		},
	}
	there, back := [][2]int{{115, 190}, {325, 350}, {480, 665}, {735, 780}}, [][2]int{{780, 735}, {665, 480}, {350, 325}, {190, 115}}
	if len(third) > 0 {
		there, back = [][2]int{{115, 190}, {325, 350}, {480, 505}, {640, 665}, {735, 780}}, [][2]int{{780, 735}, {665, 640}, {505, 480}, {350, 325}, {190, 115}}
	}
	p.arrows = append(append(p.arrows, way(110, 3, there...)...), way(190, 0, back...)...)
	return p
}

// static is the filter for requests without an Origin.
func static() box {
	return box{x: 505, y: 50, w: 135, h: 170, name: "corsgate.static", lines: []string{"sets Vary"}, number: 5}
}

// architecture shows which packages import which, and how policies come to serve.
func architecture() picture {
	return picture{
		title:  "The architecture",
		height: 520,
		texts: []text{
			{20, 25, large, "start", true, "Who may import whom"},
			{20, 335, large, "start", true, "How policies come to serve"},
		},
		boxes: []box{
			{x: 20, y: 40, w: 860, h: 50, name: "cmd/corsgate", lines: []string{"a file for each command: flags in, text out; it alone knows all packages"}},
			{x: 20, y: 130, w: 400, h: 70, name: "server", lines: []string{"gRPC, sources, sinks, admin listener, metrics, logs", "contract: words shared with Envoy's configuration"}},
			{x: 500, y: 130, w: 380, h: 70, name: "envoy", lines: []string{"generated configuration, the compiler notrip,", "tests through real Envoys, the benchmark"}},
			{x: 20, y: 240, w: 860, h: 60, name: "policy", lines: []string{"what decides: pure, the standard library only; policyfile, cases, explain, policydiff, browser beside it"}},
			{x: 20, y: 390, w: 120, h: 60, name: "Source", lines: []string{"server/source"}},
			{x: 190, y: 390, w: 140, h: 60, name: "Judged policies", lines: []string{"policy/policyfile"}},
			{x: 380, y: 390, w: 120, h: 60, name: "Set", lines: []string{"policy.Compile"}},
			{x: 550, y: 390, w: 120, h: 60, name: "Loop", lines: []string{"server/live"}},
			{x: 720, y: 350, w: 160, h: 40, name: "server", lines: []string{"answers Envoy"}},
			{x: 720, y: 400, w: 160, h: 40, name: "server/ecds", lines: []string{"delivers to Envoy"}},
			{x: 720, y: 450, w: 160, h: 40, name: "server/metrics", lines: []string{"and denied: count"}},
		},
		arrows: []arrow{
			{x1: 220, y1: 90, x2: 220, y2: 130}, {x1: 690, y1: 90, x2: 690, y2: 130},
			{x1: 220, y1: 200, x2: 220, y2: 240}, {x1: 690, y1: 200, x2: 690, y2: 240},
			{x1: 500, y1: 165, x2: 420, y2: 165, number: 1, dashed: true},
			{x1: 140, y1: 420, x2: 190, y2: 420, number: 2}, {x1: 330, y1: 420, x2: 380, y2: 420, number: 3}, {x1: 500, y1: 420, x2: 550, y2: 420},
			{x1: 670, y1: 405, x2: 720, y2: 370}, {x1: 670, y1: 420, x2: 720, y2: 420, number: 4}, {x1: 670, y1: 435, x2: 720, y2: 470},
		},
		legend: []string{
			"envoy takes nothing from server but contract and addr. A test holds every arrow.",
			"A source reads bytes, and says when they may have changed. What did not change is not read again.",
			"One mistake refuses the whole load: the set before goes on serving.",
			"Each sink prepares, and may refuse. If all agree, all commit, and a commit cannot fail.",
		},
	}
}
