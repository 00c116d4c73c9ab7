package policyfile

import (
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"github.com/corsgate/corsgate/policy"
)

func TestSuffixReasonKnowsWhoseTheNamesBelowAre(t *testing.T) {
	for host, others := range map[string]bool{
		"com": true, "co.uk": true, "github.io": true, "vercel.app": true, "corp": true, "lan": true,
		"amazonaws.com": true, "compute.amazonaws.com": true, "windows.net": true, "azure.com": true, "run.app": true,
		"on.aws": true, "digitaloceanspaces.com": true, "kawasaki.jp": true,
		"core.windows.net": true, "blob.core.windows.net": true, "web.core.windows.net": true, "z13.web.core.windows.net": true,
		"cloudapp.azure.com": true, "eastus.cloudapp.azure.com": true, "me.eastus.cloudapp.azure.com": false,
		"us-east-1.on.aws": true, "ap-southeast-2.on.aws": true, "lambda-url.us-east-1.on.aws": true, "me.lambda-url.us-east-1.on.aws": false,
		"us-gov-west-1.amazonaws.com": true, "dualstack.eu-west-3.amazonaws.com": true, "eu-west-3.compute.amazonaws.com": true,
		"elb.amazonaws.com": true, "airflow.amazonaws.com": true, "rds.amazonaws.com": true, "me.s3.amazonaws.com": false,
		"amazonaws.com.cn": true, "cn-northwest-1.amazonaws.com.cn": true, "rds.cn-northwest-1.amazonaws.com.cn": true,
		"amazoncognito.com": true, "us-east-1.amazoncognito.com": true, "eu-central-2.amazoncognito.com": true,
		"me.auth.us-east-1.amazoncognito.com": false, "core.usgovcloudapi.net": true, "railway.app": true, "me.up.railway.app": false,
		"github.dev": true, "app.github.dev": true, "eastus.azurecontainerapps.io": true, "env.eastus.azurecontainerapps.io": false,
		"me.z13.web.core.windows.net": false, "portal.azure.com": false, "origin.cdn77-secure.org": true, "fr-par.scw.cloud": true,
		"example.com": false, "example.co.uk": false, "me.github.io": false, "city.kawasaki.jp": false, "us-east-1.example.com": false,
		"localhost": false, "app.localhost": false, "test": false, "internal": false, "x.internal": false, "local": false,
	} {
		if reason, below := suffixReason(host); (reason != "") != others || (below != "") != others {
			t.Errorf("suffixReason(%q) = %q, %q", host, reason, below)
		}
	}
}

// The names in the tables are shown to users: they must be what is said of
// them.
func TestTheListHasTheSuffixesBelow(t *testing.T) {
	for domain, suffixes := range suffixesBelow {
		if own, _ := publicsuffix.PublicSuffix(domain); own == domain {
			t.Errorf("%s is on the list itself", domain)
		}
		for _, s := range suffixes {
			if !strings.HasSuffix(s, "."+domain) {
				t.Errorf("%s is not below %s", s, domain)
			}
			if suffix, _ := publicsuffix.PublicSuffix(s); suffix != s {
				t.Errorf("%s is no public suffix but below %s", s, suffix)
			}
		}
	}
}

func TestTheListLacksWhatIsUnlisted(t *testing.T) {
	for domain, u := range unlistedBelow {
		if u.name != domain && !strings.HasSuffix(u.name, "."+domain) {
			t.Errorf("%s is not below %s", u.name, domain)
		}
		host := u.name
		if u.places > 0 {
			host = "place." + host
		}
		if suffix, _ := publicsuffix.PublicSuffix(host); suffix == host {
			t.Errorf("%s is on the list by now", host)
		}
	}
}

func TestSuffixReasonNamesAnExampleOfTheRegion(t *testing.T) {
	for host, want := range map[string]string{
		"eu-west-3.on.aws": `it includes "lambda-url.eu-west-3.on.aws", below which anybody can have a name`,
		"on.aws":           `it includes "lambda-url.us-east-1.on.aws", below which anybody can have a name`,
		"lan":              `"lan" is not a top-level domain that the list of public suffixes knows: the names below it may be anybody's`,
		"com":              `"com" is a public suffix: anybody can have a name below it`,
		"onion":            `"onion" is a public suffix: anybody can have a name below it`,
	} {
		if got, _ := suffixReason(host); got != want {
			t.Errorf("suffixReason(%q) = %s, want %s", host, got, want)
		}
	}
}

// TestExamineMakesNothingValidThatHasAnError holds that package policy alone would
// take what a rule of this package refuses.
func TestExamineMakesNothingValidThatHasAnError(t *testing.T) {
	open := policy.Spec{Name: "a", CORS: policy.CORS{AllowOrigins: []string{"https://*.com"}, AllowCredentials: true}}
	for _, test := range []struct {
		optIns []policy.OptIn
		want   string // the code of the error; empty means none
	}{
		{nil, "public-suffix"},
		{[]policy.OptIn{policy.OptInPublicSuffix}, ""},
	} {
		open.Dangerously = test.optIns
		if alone, problems := policy.Validate([]policy.Spec{open}); alone == nil {
			t.Fatal(problems)
		}
		got := ""
		valid := Examine([]policy.Spec{open}, func(p policy.Problem) {
			if p.Level == policy.Error {
				got = p.Code
			}
		})
		if got != test.want || (valid == nil) != (test.want != "") {
			t.Errorf("with %q the error is %q and there is a Valid: %t", test.optIns, got, valid != nil)
		}
	}
}
