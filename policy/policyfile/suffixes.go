package policyfile

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// ownNames are top-level names that nobody can register: special use (RFC 6761, RFC 6762)
// and private use (ICANN, 2024).
var ownNames = []string{"localhost", "test", "internal", "local"}

// suffixesBelow are public suffixes of the list, by a domain above them that is not a public
// suffix itself: the list's API knows only the labels directly below a host. If a label is a
// region, it stands for all regions.
var suffixesBelow = map[string][]string{
	"amazonaws.com": {
		"s3.amazonaws.com", "execute-api.us-east-1.amazonaws.com", "s3.dualstack.us-east-1.amazonaws.com",
		"webview-assets.aws-cloud9.us-east-1.amazonaws.com", "vfs.cloud9.us-east-1.amazonaws.com",
		"us-east-1.compute.amazonaws.com", "us-east-1.elb.amazonaws.com", "x.us-east-1.airflow.amazonaws.com",
		"x.us-east-1.rds.amazonaws.com", "mrap.accesspoint.s3-global.amazonaws.com",
	},
	"amazonaws.com.cn": {
		"execute-api.cn-north-1.amazonaws.com.cn", "s3.dualstack.cn-north-1.amazonaws.com.cn", "cn-north-1.eb.amazonaws.com.cn",
		"cn-north-1.compute.amazonaws.com.cn", "cn-north-1.elb.amazonaws.com.cn", "x.cn-north-1.airflow.amazonaws.com.cn",
		"x.rds.cn-north-1.amazonaws.com.cn",
	},
	"amazoncognito.com":        {"auth.us-east-1.amazoncognito.com"},
	"amazonwebservices.com.cn": {"transfer-webapp.cn-north-1.on.amazonwebservices.com.cn"},
	"amazonwebservices.eu":     {"auth.cognito-idp.eusc-de-east-1.on.amazonwebservices.eu"},
	"on.aws":                   {"lambda-url.us-east-1.on.aws", "x.airflow.us-east-1.on.aws"},
	"repost.aws":               {"x.private.repost.aws"},
	"sagemaker.aws":            {"notebook.us-east-1.sagemaker.aws"},
	"sagemaker.com.cn":         {"notebook.cn-north-1.sagemaker.com.cn"},
	"atlassian-dev.net":        {"cdn.prod.atlassian-dev.net"},
	"canva.site":               {"my.canva.site"},
	"cdn77.net":                {"r.cdn77.net"},
	"cdn77.org":                {"c.cdn77.org"},
	"cdn77-secure.org":         {"ssl.origin.cdn77-secure.org"},
	"clever-cloud.com":         {"x.services.clever-cloud.com"},
	"cloudflareanycast.net":    {"cdn.cloudflareanycast.net"},
	"cloudflarecn.net":         {"cdn.cloudflarecn.net"},
	"cloudflareglobal.net":     {"cdn.cloudflareglobal.net"},
	"digitaloceanspaces.com":   {"nyc3.digitaloceanspaces.com"},
	"elastx.net":               {"jls-sto1.elastx.net"},
	"fastly.net":               {"global.ssl.fastly.net", "global.prod.fastly.net"},
	"fbsbx.com":                {"apps.fbsbx.com"},
	"linodeusercontent.com":    {"ip.linodeusercontent.com"},
	"massivegrid.net":          {"fr-1.paas.massivegrid.net"},
	"ovh.net":                  {"x.hosting.ovh.net", "x.webpaas.ovh.net"},
	"platform.sh":              {"us.platform.sh"},
	"railway.app":              {"up.railway.app"},
	"run.app":                  {"a.run.app"},
	"sakurastorage.jp":         {"s3.isk01.sakurastorage.jp"},
	"scw.cloud":                {"functions.fnc.fr-par.scw.cloud", "pub.instances.scw.cloud", "fr-par-1.baremetal.scw.cloud", "s3.nl-ams.scw.cloud", "s3.pl-waw.scw.cloud"},
	"usgovcloudapi.net":        {"blob.core.usgovcloudapi.net"},
	"windows.net":              {"blob.core.windows.net"},
}

// unlisted is a domain that is missing in the list although its owner gives
// out names below it.
type unlisted struct {
	name   string
	places int // labels between the name and the names that the owner gives out, such as a region
}

// unlistedBelow are unlisted domains, by the domain that they belong to.
var unlistedBelow = map[string]unlisted{
	// Virtual machines: NAME.REGION.cloudapp.azure.com.
	"azure.com": {"cloudapp.azure.com", 1},
	// Container apps: NAME.ENVIRONMENT.REGION.azurecontainerapps.io.
	"azurecontainerapps.io": {"azurecontainerapps.io", 1},
	// Ports of development containers: NAME-PORT.app.github.dev.
	"github.dev": {"app.github.dev", 0},
	// Static sites: NAME.ZONE.web.core.windows.net. The list has the suffix,
	// and so takes each zone for one owner's.
	"web.core.windows.net": {"web.core.windows.net", 1},
}

// suffixReason says why the names below host belong to others, and below which name that is.
// If nothing is known, both are empty.
func suffixReason(host string) (reason, below string) {
	if slices.Contains(ownNames, host[strings.LastIndexByte(host, '.')+1:]) {
		return "", ""
	}
	if suffix, known := publicsuffix.PublicSuffix(host); suffix == host {
		if !known && !strings.Contains(host, ".") {
			return fmt.Sprintf("%q is not a top-level domain that the list of public suffixes knows: the names below it may be anybody's", host), host
		}
		return fmt.Sprintf("%q is a public suffix: anybody can have a name below it", host), host
	}
	if reason, below = reasonBelow(host); reason != "" {
		return reason, below
	}
	below = "x." + host
	if suffix, _ := publicsuffix.PublicSuffix(below); suffix == below {
		return fmt.Sprintf("the labels right below %q are public suffixes: anybody can have a name there", host), below
	}
	return "", ""
}

// reasonBelow is suffixReason by the tables.
func reasonBelow(host string) (reason, below string) {
	for domain, found := host, true; found; _, domain, found = strings.Cut(domain, ".") {
		if u, known := unlistedBelow[domain]; known {
			if reason, below = u.reason(host); reason != "" {
				return reason, below
			}
		}
		for _, suffix := range suffixesBelow[domain] {
			if suffix = inRegionOf(suffix, host); strings.HasSuffix(suffix, "."+host) {
				return includes(suffix), suffix
			}
		}
	}
	return "", ""
}

func includes(suffix string) string {
	return fmt.Sprintf("it includes %q, below which anybody can have a name", suffix)
}

func (u unlisted) reason(host string) (reason, below string) {
	if strings.HasSuffix(u.name, "."+host) {
		return includes(u.name), u.name
	}
	if place, found := strings.CutSuffix("."+host, "."+u.name); found && strings.Count(place, ".") <= u.places {
		return fmt.Sprintf("anybody can have a name below %q", host), host
	}
	return "", ""
}

// inRegionOf returns suffix with the region of host, if both have one.
func inRegionOf(suffix, host string) string {
	here, there := region(suffix), region(host)
	if here == "" || there == "" {
		return suffix
	}
	return strings.Replace(suffix, here, there, 1)
}

// region returns the label of host that looks like a region, as "us-east-1".
func region(host string) string {
	for label := range strings.SplitSeq(host, ".") {
		if last := len(label) - 1; strings.Count(label, "-") >= 2 && '0' <= label[last] && label[last] <= '9' {
			return label
		}
	}
	return ""
}
