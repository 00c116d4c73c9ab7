package browser

// Engine is a browser engine. What all of them do alike follows the standard;
// where one does otherwise, the code says so beside its name.
type Engine string

// The engines. The zero Engine is read as Chromium.
const (
	Chromium Engine = "chromium" // Chrome, Edge, Opera, and Android's WebView
	Firefox  Engine = "firefox"
	WebKit   Engine = "webkit" // Safari, and most browsers of iOS
)

// Engines returns all engines.
func Engines() []Engine { return []Engine{Chromium, Firefox, WebKit} }

// Name returns the name of the browser that people know the engine by.
func (e Engine) Name() string {
	switch e {
	case Firefox:
		return "Firefox"
	case WebKit:
		return "Safari"
	}
	return "Chrome"
}
