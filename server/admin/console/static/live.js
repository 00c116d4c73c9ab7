// Adds decisions to the list as they come. All of a decision is set as text, never as HTML.
const most = 200;
const live = document.getElementById('live');
const rows = document.getElementById('decisions');
const state = document.getElementById('state');
const left = document.getElementById('left');
const pause = document.getElementById('pause');
let paused = false;
let waiting = [];
let sampled = 0;
let missed = 0;
let events;
let last = ''; // the id of the last event

function cell(row, kind, label, ...parts) {
  const td = row.insertCell();
  td.className = kind;
  if (label) td.dataset.label = label;
  for (const part of parts) td.append(part instanceof Node ? part : element(...part));
}

function element(tag, text, inner) {
  const made = document.createElement(tag);
  const holder = inner ? made.appendChild(document.createElement(inner)) : made;
  holder.textContent = text;
  return made;
}

function link(address, text) {
  const a = element('a', text);
  a.href = address;
  return a;
}

// explanation returns a link to the page that explains the request, as Try of live.go does. It
// is null if the line does not have all that the page needs.
function explanation(d) {
  const {origin = '', path = '', named_policy: named} = d;
  const values = [origin, d.method, d.host, d.request_method, d.request_headers, named];
  const hasScheme = origin === 'null' || origin.includes('://');
  if (values.some((v) => v?.startsWith('"')) || d.clipped || d.upgrade || d.protocol || !hasScheme || !path.startsWith('/')) return null;
  const asks = new URLSearchParams({origin, url: `https://${d.host ?? ''}${path}`, method: d.request_method ?? d.method});
  if (d.request_headers) asks.set('headers', d.request_headers.replaceAll(',', '\n'));
  if (named) asks.set('policy', named); // the host and the path choose any other
  asks.sort();
  const a = link(`/console/try?${asks}`, 'Explain it');
  const whose = element('span', ` for ${origin}`);
  whose.className = 'hidden';
  a.append(whose);
  return a;
}

function add(d) {
  const row = rows.insertRow(0);
  cell(row, 'word', '', ['time', new Date(d.time).toISOString().slice(11, 23)]);
  const reason = [['code', d.reason]];
  if (d.shadow_reason) reason.push(['br', ''], ['small', 'in shadow '], ['small', d.shadow_reason, 'code']);
  cell(row, 'word', '', ...reason);
  cell(row, '', 'Policy', d.policy ? link(`/console/policies/${encodeURIComponent(d.policy)}`, d.policy) : ['span', '']);
  cell(row, 'wide', 'Origin', ['code', d.origin ?? '']);
  const request = [['code', `${d.method ?? ''} ${d.host ?? ''}${d.path ?? ''}`]];
  if (d.request_method) request.push(['span', ' for '], ['code', d.request_method]);
  if (d.request_headers) request.push(['span', ' with '], ['code', d.request_headers]);
  const explains = explanation(d);
  if (explains) request.push(['br', ''], explains);
  cell(row, 'wide', '', ...request);
  while (rows.rows.length > most) rows.deleteRow(-1);
}

// count says how much of all decisions, whatever the filter chooses, is not here.
function count() {
  const parts = [];
  if (sampled > 0) parts.push(`Left out of all decisions, since too many came a second: ${sampled}.`);
  if (missed > 0) parts.push(`Missed of all decisions, since this page was slow or hidden: ${missed}.`);
  left.textContent = parts.join(' ');
}

// tell says how the page stands, and nothing again that it says already.
function tell(text) {
  const whole = paused ? `${text} Paused.` : text;
  if (state.textContent !== whole) state.textContent = whole;
}

// connect takes one of the few connections that a browser opens to a host.
function connect() {
  const from = new URL(live.dataset.events, location.href);
  if (last) from.searchParams.set('from', last);
  events = new EventSource(from);
  events.onopen = () => tell('Connected.');
  events.onerror = () => {
    const ended = events.readyState === EventSource.CLOSED; // it does not try again
    tell(ended ? 'Not connected: close other pages that watch, and load this one again.' : 'Not connected, trying again.');
  };
  events.onmessage = (e) => {
    last = e.lastEventId;
    const d = JSON.parse(e.data);
    if (!paused) return add(d);
    waiting.push(d);
    if (waiting.length > most) waiting.shift();
  };
  events.addEventListener('left', (e) => {
    last = e.lastEventId;
    const more = JSON.parse(e.data);
    if (more.sampled + more.missed === 0) return;
    sampled += more.sampled;
    missed += more.missed;
    count();
  });
}

// A hidden page leaves its connection to others, and goes on where it was when it is shown.
document.addEventListener('visibilitychange', () => {
  events?.close();
  if (!document.hidden) connect();
});
if (!document.hidden) connect();

pause.hidden = false;
pause.addEventListener('click', () => {
  paused = !paused;
  pause.textContent = paused ? 'Go on' : 'Pause';
  for (const d of waiting) add(d);
  waiting = [];
  state.textContent = paused ? 'Paused.' : 'Goes on.';
});
