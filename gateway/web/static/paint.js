// TOML in colour: as much of it as routes are written in (https://toml.io/en/v1.0.0), line by line, never as HTML.

const TOKEN = /(?<comment>#.*)|(?<string>"""|'''|"(?:\\.|[^"\\])*"?|'[^']*'?)|(?<key>[A-Za-z0-9_.-]+(?=\s*=))|(?<value>\b(?:true|false|inf|nan)\b|[+-]?\d[\d_.:TZeE+-]*)/g;
const ENDS = ['"""', "'''"];

function piece(text, kind) {
  if (!kind) return document.createTextNode(text);
  const part = document.createElement("span");
  part.className = `toml-${kind}`;
  part.textContent = text;
  return part;
}

// Paint one line; `open` is the end of the string that began on an earlier line. Returns what is open after it.
function paintLine(line, open, put) {
  let at = 0;
  if (open) {
    const end = line.indexOf(open);
    if (end < 0) { put(line, "string"); return open; }
    at = end + open.length;
    put(line.slice(0, at), "string");
  } else if (/^\s*\[/.test(line)) {
    const [header] = line.match(/^\s*\[[^#]*/);
    put(header, "table");
    at = header.length;
  }
  TOKEN.lastIndex = at;
  for (let found; (found = TOKEN.exec(line)); ) {
    put(line.slice(at, found.index));
    const [kind] = Object.entries(found.groups).find(([, text]) => text !== undefined);
    at = found.index + found[0].length;
    if (ENDS.includes(found[0])) {
      const end = line.indexOf(found[0], at);
      if (end < 0) { put(line.slice(found.index), "string"); return found[0]; }
      at = end + found[0].length;
      put(line.slice(found.index, at), "string");
      TOKEN.lastIndex = at;
    } else put(found[0], kind);
  }
  put(line.slice(at));
  return "";
}

export function paint(pre, text, notes = new Map()) {
  const parts = [];
  let open = "";
  text.split("\n").forEach((line, index) => {
    open = paintLine(line, open, (words, kind) => { if (words) parts.push(piece(words, kind)); });
    if (notes.has(index + 1)) {
      const note = document.createElement("span");
      note.className = "note";
      note.textContent = notes.get(index + 1);
      parts.push(note);
    }
    parts.push(document.createTextNode("\n"));
  });
  pre.replaceChildren(...parts);
}

for (const one of document.querySelectorAll("pre[data-toml]")) paint(one, one.textContent);
