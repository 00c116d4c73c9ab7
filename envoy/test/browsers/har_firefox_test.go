package browsers

import "testing"

// firefoxRecorder is a Firefox with its developer tools.
type firefoxRecorder struct{ *marionette }

func recordFirefox(_ *testing.T, e engine) recorder { return firefoxRecorder{e.(*marionette)} }

// tools is a script that gives the developer tools of the tab.
const tools = `(async () => {
	const {require} = ChromeUtils.importESModule("resource://devtools/shared/loader/Loader.sys.mjs");
	const {gDevTools} = require("devtools/client/framework/devtools");
	const tab = Services.wm.getMostRecentWindow("navigator:browser").gBrowser.selectedTab;
	return {gDevTools, tab, toolbox: gDevTools.getToolboxForTab(tab)};
})()`

// forget implements recorder. It opens the tools anew: those that were open
// while one page gave way to another miss requests sometimes.
func (r firefoxRecorder) forget() error {
	return r.callBrowser(tools+`.then(async ({gDevTools, tab}) => {
		await gDevTools.closeToolboxForTab(tab);
		await gDevTools.showToolboxForTab(tab, {toolId: "netmonitor"});
		return 0;
	})`, new(int))
}

// har implements recorder. The exporter keeps what it was told of a request, so
// that it must not be asked before all have ended.
func (r firefoxRecorder) har() (a archive, err error) {
	err = r.callBrowser(tools+`.then(async ({toolbox}) => {
		const {requests} = (await toolbox.getNetMonitorAPI()).store.getState().requests;
		const ended = (r) => r.responseContentAvailable || r.cause.type === "websocket" || r.cause.type === "img";
		return requests.every(ended) ? {log: await toolbox.getHARFromNetMonitor()} : {log: {creator: {}}};
	})`, &a)
	return a, err
}
