// The panes of the viewer: one of them large, and the same place marked in all of them.

// Show one alone, as large as the window lets it be, or all again.
export function enlarge(panes, figure) {
  if (!figure) return;
  const large = !panes.querySelector("figure.large");
  for (const one of panes.querySelectorAll("figure")) one.classList.toggle("large", large && one === figure);
  panes.classList.toggle("alone", large);
}

export function crossesOn(panes) {
  const cross = () => Object.assign(document.createElement("i"), { className: "cross", hidden: true });
  return [...panes.querySelectorAll("figure:not([data-apart])")].map((figure) => figure.appendChild(cross()));
}

// Mark where the pointer is in every pane but its own.
export function pointAt(crosses, event) {
  const canvas = event?.target.closest("figure:not([data-apart]) canvas"), box = canvas?.getBoundingClientRect();
  for (const cross of crosses) {
    const pane = cross.parentElement;
    cross.hidden = !canvas || pane.contains(canvas);
    if (cross.hidden) continue;
    cross.style.left = `${((event.clientX - box.left) / box.width) * pane.clientWidth}px`;
    cross.style.top = `${((event.clientY - box.top) / box.height) * pane.clientWidth}px`;
  }
}
