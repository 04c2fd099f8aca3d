// Scores by the keyboard: a digit answers what is asked next, Backspace takes the last answer back, r goes to the remark, Enter saves.
"use strict";

const scores = document.querySelector("[data-scores]");
const asked = [...scores.querySelectorAll("fieldset:not(:disabled)")];
const answered = (one) => one.querySelector("input:checked");

function mark() {
  const next = asked.find((one) => !answered(one));
  for (const one of asked) one.classList.toggle("next", one === next);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("textarea") && event.key === "Escape") event.target.blur(); // back to the scores
  if (event.target.closest("input[type=number], input[type=range], select, textarea")) return;
  if (event.key === "Enter" && event.target.closest("a, button")) return;
  const within = asked.find((one) => one.contains(document.activeElement));
  if (/^[1-9]$/.test(event.key)) {
    const one = within && !answered(within) ? within : asked.find((each) => !answered(each)) || within;
    const choice = one?.querySelector(`input[value="${event.key}"]`);
    if (!choice) return;
    choice.checked = true;
    event.stopImmediatePropagation();
  } else if (event.key === "Backspace") {
    const last = asked.filter(answered).pop();
    if (last) answered(last).checked = false;
  } else if (event.key === "r") document.getElementById("remark").focus();
  else if (event.key === "Enter") scores.requestSubmit();
  else return;
  event.preventDefault();
  mark();
}, { capture: true });
scores.addEventListener("change", mark);
mark();
