"use strict";

// run does what a step says, in this page or in something that the page makes,
// and tells what came of it: {outcome, headers, body}. The outcome is the status
// of an answer that could be read, or a word.
function run(step) {
  return step.in ? elsewhere(step) : here(step);
}

function here(step) {
  const means = { xhr, upload: xhr, stream: viaFetch, script, font, image, events, socket, form };
  return (means[step.by] || viaFetch)(step);
}

// elsewhere runs the step in a frame or a worker, which get this source.
function elsewhere(step) {
  const source = document.getElementById("source").textContent;
  const call = `here(${JSON.stringify({ ...step, in: "" })})`;
  const inFrame = `<script>${source}\n${call}.then((r) => parent.postMessage(r, "*"))<\/script>`;
  const inWorker = `${source}\n${call}.then((r) => postMessage(r))`;
  switch (step.in) {
    case "a sandboxed frame": return frame({ sandbox: "allow-scripts", srcdoc: inFrame });
    case "a frame of its own origin": return frame({ srcdoc: inFrame });
    case "a data: frame": return frame({ src: "data:text/html," + encodeURIComponent(inFrame) });
    case "a data: worker": return work("data:text/javascript," + encodeURIComponent(inWorker));
    case "a blob: worker": return work(URL.createObjectURL(new Blob([inWorker])));
  }
  throw new Error("nowhere: " + step.in);
}

function frame(attributes) {
  return new Promise((done) => {
    const f = document.createElement("iframe");
    for (const [name, value] of Object.entries(attributes)) f.setAttribute(name, value);
    addEventListener("message", function answer(e) {
      if (e.source !== f.contentWindow) return;
      removeEventListener("message", answer);
      f.remove();
      done(e.data);
    });
    document.body.append(f);
  });
}

function work(url) {
  return new Promise((done) => {
    const w = new Worker(url);
    w.onerror = (e) => done({ outcome: "no worker: " + e.message });
    w.onmessage = (e) => {
      w.terminate();
      done(e.data);
    };
  });
}

async function viaFetch(step) {
  const init = { method: step.method, headers: step.headers, ...step.options };
  if (step.body) init.body = step.body;
  if (step.by === "stream") Object.assign(init, { body: new Blob([step.body]).stream(), duplex: "half" });
  let request;
  try {
    request = new Request(step.url, init);
  } catch (e) {
    return { outcome: "refused", body: String(e) }; // nothing was sent
  }
  try {
    const r = await fetch(request);
    if (r.type.startsWith("opaque")) return { outcome: r.type };
    return { outcome: String(r.status), headers: [...r.headers], body: await r.text() };
  } catch (e) {
    return { outcome: e.name === "NotSupportedError" ? "refused" : "blocked", body: String(e) };
  }
}

function xhr(step) {
  return new Promise((done) => {
    const x = new XMLHttpRequest();
    x.open(step.method, step.url);
    x.withCredentials = step.options?.credentials === "include";
    for (const [name, value] of step.headers) x.setRequestHeader(name, value);
    if (step.by === "upload") x.upload.onprogress = () => {};
    x.onload = () => done({ outcome: String(x.status), headers: lines(x.getAllResponseHeaders()), body: x.responseText });
    x.onerror = () => done({ outcome: "blocked" });
    x.send(step.body || null);
  });
}

function lines(text) {
  return text.split("\r\n").filter(Boolean).map((line) => {
    const at = line.indexOf(":");
    return [line.slice(0, at), line.slice(at + 1).trim()];
  });
}

function script(step) {
  return element("script", { src: step.url, crossOrigin: step.options?.credentials === "include" ? "use-credentials" : "anonymous" });
}

function font(step) {
  return new FontFace("a font", `url("${step.url}")`).load().then(() => ({ outcome: "loaded" }), (e) => ({ outcome: "blocked", body: String(e) }));
}

// image loads without CORS; whether it is one does not matter.
function image(step) {
  return element("img", { src: step.url }).then(() => ({ outcome: "opaque" }));
}

function element(name, properties) {
  return new Promise((done) => {
    const e = document.createElement(name);
    const end = (outcome) => () => {
      e.remove();
      done({ outcome });
    };
    e.onload = end("loaded");
    e.onerror = end("blocked");
    Object.assign(e, properties);
    document.head.append(e);
  });
}

function events(step) {
  return new Promise((done) => {
    const e = new EventSource(step.url, { withCredentials: step.options?.credentials === "include" });
    const end = (outcome) => () => {
      e.close();
      done({ outcome });
    };
    e.onopen = end("opened");
    e.onerror = end("blocked");
  });
}

function socket(step) {
  return new Promise((done) => {
    const w = new WebSocket(step.url.replace(/^http/, "ws"));
    w.onopen = () => w.send("hello");
    w.onmessage = (e) => {
      w.close();
      done({ outcome: "opened", body: e.data });
    };
    w.onerror = () => done({ outcome: "blocked" });
  });
}

// form posts as a page without any script could, into a frame.
function form(step) {
  return new Promise((done) => {
    const f = document.createElement("iframe");
    f.name = "answer";
    const form = Object.assign(document.createElement("form"), { action: step.url, method: step.method, target: f.name });
    document.body.append(f, form);
    f.onload = () => {
      f.remove();
      form.remove();
      done({ outcome: "sent" });
    };
    form.submit();
  });
}
