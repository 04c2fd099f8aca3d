// Where checks were worst: a ring in every pane, a number beside it, and what the numbers stand for.
const NEAR = 0.04; // of the width: closer places are one ring
const FAILED = ["fail", "warn"];
const TONES = { fail: "#ff6b5e", warn: "#ffd34d" };

// The worst places of an image: of the checks that it did not pass, and of the one that somebody asked for.
export function placesOf(maps, index, asked) {
  const places = [];
  for (const map of maps) {
    const mark = map.marks[index - map.begins];
    if (!mark || !(FAILED.includes(map.grade) || map.check === asked)) continue;
    places.push({ check: map.check, grade: map.grade, number: places.length + 1, row: mark[0], column: mark[1] });
  }
  return places;
}

// Rings where the places lie in an image of the same matrix; `put` gives where a pixel is drawn.
export function ring(context, side, places, put) {
  const radius = Math.max(9 * (window.devicePixelRatio || 1), side / 24);
  const drawn = [];
  for (const place of places) {
    const [x, y] = put(place.column + 0.5, place.row + 0.5);
    const near = drawn.find((one) => Math.hypot(one.x - x, one.y - y) < NEAR * side);
    if (near) near.text += ` ${place.number}`;
    else drawn.push({ x, y, text: String(place.number), tone: TONES[place.grade] || "#7fd4ff" });
  }
  for (const one of drawn) {
    context.beginPath();
    context.arc(one.x, one.y, radius, 0, 2 * Math.PI);
    for (const [color, width] of [["#000", 5], [one.tone, 2.5]]) {
      context.strokeStyle = color;
      context.lineWidth = width * (window.devicePixelRatio || 1);
      context.stroke();
    }
    const right = one.x + radius * 1.2 < side * 0.9;
    context.textAlign = right ? "left" : "right";
    context.textBaseline = "middle";
    context.strokeStyle = "#000";
    context.lineWidth = 4;
    context.fillStyle = one.tone;
    const at = one.x + (right ? 1 : -1) * radius * 1.25;
    context.strokeText(one.text, at, one.y);
    context.fillText(one.text, at, one.y);
  }
}

// The key: number, check, and what came out of it, so that nothing is said by colour alone.
export function tellPlaces(list, places) {
  list.hidden = !places.length;
  list.replaceChildren(...places.map((place) => {
    const one = document.createElement("li");
    one.dataset.grade = place.grade;
    one.textContent = `${place.check.replace("-", " ")}${place.grade ? `, ${place.grade}` : ""}`;
    return one;
  }));
}
