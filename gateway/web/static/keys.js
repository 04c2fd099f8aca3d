// Keys for working through a list: j and k step through it, n and p go to the next and the previous job; buttons name theirs.
"use strict";

function steps() {
  return [...document.querySelectorAll("[data-step] h2 a")];
}

function step(by) {
  const all = steps();
  if (!all.length) return;
  const at = all.findIndex((one) => one.closest("[data-step]").contains(document.activeElement));
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next.focus();
  next.closest("[data-step]").scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.target.closest("input, textarea, select")) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else {
    const link = event.key.length === 1 && document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!link) return;
    link.click();
  }
  event.preventDefault();
});

// What needs a reason asks for it before it is sent.
const why = document.getElementById("why");
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-why]") || !why || why.value.trim()) return;
  event.preventDefault();
  why.setCustomValidity("Say why: it goes to the audit trail.");
  why.reportValidity();
});
why?.addEventListener("input", () => why.setCustomValidity(""));
