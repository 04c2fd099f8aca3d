// The editor of routes: in colour, faults beside their lines as one types, and the scans that would go elsewhere.
import { paint } from "/static/paint.js";

const PAUSE_MS = 400;
const form = document.getElementById("editor");
const text = document.getElementById("text");
const gutter = document.getElementById("gutter");
const verdict = document.getElementById("verdict");
const coat = document.getElementById("paint");
let waiting = 0;
let asked = 0;
let faults = new Map();

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
  paint(coat, text.value, new Map([...faulty].map(([line, sentence]) => [line, `← ${sentence.replace(/^line \d+: /, "")}`])));
  scrolled();
}

function scrolled() {
  gutter.scrollTop = text.scrollTop;
  coat.scrollTop = text.scrollTop;
  coat.scrollLeft = text.scrollLeft;
}

function goTo(line) {
  const begin = text.value.split("\n").slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const end = text.value.indexOf("\n", begin);
  text.focus();
  text.setSelectionRange(begin, end < 0 ? text.value.length : end);
  text.scrollTop = Math.max(0, (line - 5) * parseFloat(getComputedStyle(text).lineHeight));
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
  for (const fault of found.faults) {
    const item = told("li", fault.line ? fault.text.replace(/^line \d+: /, "") : fault.text);
    if (fault.line) {
      const jump = told("button", `Line ${fault.line}`);
      jump.type = "button";
      jump.addEventListener("click", () => goTo(fault.line));
      item.prepend(jump);
    }
    list.append(item);
  }
  for (const sentence of found.advice) list.append(told("li", sentence));
  for (const turn of found.turns) list.append(told("li", `${turn.protocol || turn.scan}: ${turn.before} → ${turn.after}`));
  verdict.replaceChildren(...parts, list);
  faults = new Map(found.faults.filter((fault) => fault.line).map((fault) => [fault.line, fault.text]));
  number(faults);
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

document.getElementById("code").classList.add("painted");
number();
text.addEventListener("scroll", scrolled);
if (verdict) {
  text.addEventListener("input", () => {
    number(faults);
    clearTimeout(waiting);
    waiting = setTimeout(check, PAUSE_MS);
  });
  check();
}
