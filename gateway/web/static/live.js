// Keeps the page up to date: takes over the parts that the gateway says have changed, as server-sent events.
"use strict";

const AGAIN_MS = 5000;
const HIDDEN_MS = 20000;
const PATIENCE_MS = 2500;
const lost = document.getElementById("lost");
let seen = document.body.dataset.seen;
let stood = new Date();
let events = null;
let waiting = 0;
let hiding = 0;

function takeOver(id, html) {
  const part = document.getElementById(id);
  if (!part) return;
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
  part.innerHTML = html; // of our own making, escaped there; the part itself stays, so that screen readers hear what changed
  for (const one of open) document.getElementById(one)?.setAttribute("open", "");
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  part.dispatchEvent(new CustomEvent("fresh", { bubbles: true }));
}

function tell(sentence) {
  clearTimeout(waiting);
  waiting = 0;
  if (sentence) lost.textContent = `${sentence} This is how things stood at ${stood.toLocaleTimeString()}.`;
  lost.hidden = !sentence;
}

function follow() {
  const join = document.body.dataset.source.includes("?") ? "&" : "?";
  events = new EventSource(`${document.body.dataset.source}${join}seen=${encodeURIComponent(seen)}`);
  events.addEventListener("open", () => { document.body.dataset.live = "yes"; tell(""); });
  events.addEventListener("parts", (event) => {
    for (const [id, html] of Object.entries(JSON.parse(event.data))) takeOver(id, html);
    seen = event.lastEventId;
    stood = new Date();
    tell("");
  });
  events.addEventListener("trouble", (event) => tell(event.data));
  events.addEventListener("ended", () => { stop(); location.reload(); });
  events.addEventListener("error", () => {
    document.body.dataset.live = "no";
    if (!waiting && lost.hidden) waiting = setTimeout(tell, PATIENCE_MS, "The gateway does not answer.");
    if (events && events.readyState === EventSource.CLOSED) again();
  });
}

function stop() {
  events?.close();
  events = null;
}

// A stream that was refused is not tried again by the browser: the page is asked instead why, and then the stream.
async function again() {
  stop();
  setTimeout(async () => {
    try {
      const answer = await fetch(location.href, { cache: "no-store", headers: { "X-Refresh": "1" } });
      if (answer.redirected || answer.status === 404) return location.reload();
      if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const fresh = next.getElementById(part.id);
          if (fresh && fresh.innerHTML !== part.innerHTML) takeOver(part.id, fresh.innerHTML);
        }
        seen = next.body.dataset.seen;
        stood = new Date();
      }
    } catch { /* the stream will say so */ }
    if (!document.hidden) follow();
  }, AGAIN_MS);
}

// A browser has few connections to one host: pages that nobody looks at give theirs back.
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(stop, HIDDEN_MS);
  else if (!events) follow();
});
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", (event) => { if (event.persisted && !events) follow(); });

follow();
