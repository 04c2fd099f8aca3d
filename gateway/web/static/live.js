// Keeps the page up to date: asks for it again and takes over the parts marked data-live that have changed.
"use strict";

const EVERY_MS = 2000;
const lost = document.getElementById("lost");
let seen = new Date();

function takeOver(next) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(part.id);
    if (!fresh || fresh.innerHTML === part.innerHTML || part.querySelector("input:focus")) continue; // nobody loses words
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceChildren(...fresh.childNodes); // the part itself stays, so that screen readers hear what changed
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", headers: { "X-Refresh": "1" } });
    if (answer.redirected) return location.reload(); // the session has ended
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    seen = new Date();
    lost.hidden = true;
  } catch {
    if (lost.hidden) lost.textContent = `The gateway does not answer. This is how things stood at ${seen.toLocaleTimeString()}.`;
    lost.hidden = false;
  }
}

async function keepUp() {
  if (!document.hidden) await refresh();
  setTimeout(keepUp, EVERY_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || refresh());
setTimeout(keepUp, EVERY_MS);
