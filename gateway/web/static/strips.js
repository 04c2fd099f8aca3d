// Strips of thumbnails: one stop for the keyboard in each, left and right go from picture to picture.

export function oneStop() {
  for (const strip of document.querySelectorAll(".pictures")) {
    [...strip.querySelectorAll("a")].forEach((link, index) => { link.tabIndex = index ? -1 : 0; }); // arrows do the rest
  }
}

document.addEventListener("keydown", (event) => {
  const link = event.target.closest(".pictures a");
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!link || !by) return;
  const all = [...link.closest(".pictures").querySelectorAll("a")];
  const next = all[all.indexOf(link) + by];
  if (!next) return;
  event.preventDefault();
  link.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
