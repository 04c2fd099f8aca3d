// The editor of routes: numbers beside the lines, faults told as one types, and the scans that would go elsewhere.
"use strict";

const PAUSE_MS = 400;
const form = document.getElementById("editor");
const text = document.getElementById("text");
const gutter = document.getElementById("gutter");
const verdict = document.getElementById("verdict");
let waiting = 0;
let asked = 0;

function number(faulty = new Map()) {
  const lines = text.value.split("\n").map((_, index) => {
    const line = document.createElement("span");
    line.textContent = `${index + 1}\n`;
    if (faulty.has(index + 1)) {
      line.className = "faulty";
      line.title = faulty.get(index + 1);
    }
    return line;
  });
  gutter.replaceChildren(...lines);
  gutter.scrollTop = text.scrollTop;
}

function told(tag, words, style) {
  const part = document.createElement(tag);
  part.textContent = words;
  if (style) part.className = style;
  return part;
}

function tell(found) {
  const parts = [];
  if (found.faults.length) {
    parts.push(told("strong", `${found.faults.length} fault${found.faults.length > 1 ? "s" : ""}: this cannot be applied`, "bad"));
  } else if (found.turns.length) {
    parts.push(told("strong", `These ${found.turns.length} of the last ${found.compared} scans would go elsewhere`, "person"));
  } else {
    parts.push(told("strong", `All well; the last ${found.compared} scans would go where they go now`, "good"));
  }
  const list = document.createElement("ul");
  for (const fault of found.faults) list.append(told("li", fault.text));
  for (const sentence of found.advice) list.append(told("li", sentence));
  for (const turn of found.turns) list.append(told("li", `${turn.protocol || turn.scan}: ${turn.before} → ${turn.after}`));
  verdict.replaceChildren(...parts, list);
  number(new Map(found.faults.filter((fault) => fault.line).map((fault) => [fault.line, fault.text])));
}

async function check() {
  const mine = ++asked;
  try {
    const answer = await fetch("/routes/check", { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const found = await answer.json();
    if (mine === asked) tell(found);
  } catch {
    if (mine === asked) verdict.replaceChildren(told("strong", "The gateway does not answer; the text was not checked.", "bad"));
  }
}

number();
text.addEventListener("scroll", () => { gutter.scrollTop = text.scrollTop; });
if (verdict) {
  text.addEventListener("input", () => {
    number();
    clearTimeout(waiting);
    waiting = setTimeout(check, PAUSE_MS);
  });
  check();
}
