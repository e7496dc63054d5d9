/* Values: how bodies, JSON and headers become elements. Text only ever becomes a text node. */

const data = JSON.parse(document.getElementById("data").textContent);

/** An element: `props` are attributes (functions are listeners), `kids` elements or text. */
function el(tag, props, ...kids) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, String(value));
  }
  made.append(...kids.flat(9).filter((kid) => kid !== null && kid !== undefined && kid !== ""));
  return made;
}

const number = (value) => value.toLocaleString("en");
const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

function size(bytes) {
  if (bytes === undefined || bytes === null) return "not here";
  if (bytes < 1000) return `${bytes}\u00a0B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)}\u00a0kB`;
  return `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
}

/* -- JSON: read with a stack of our own, so that no depth is too deep, and every number stays as written */

const TOKEN = /\s+|"(?:[^"\\]|\\.)*"|[{}[\]:,]|-?[0-9][0-9.eE+-]*|true|false|null/y;

/** The tree of a JSON text: {type, text} or {type, kids: [[key, node]...], from, to}; null where it is none. */
function tree(text) {
  const root = { type: "[", kids: [] };
  const stack = [root];
  let key = null;
  let wants = "value"; // or "key", "colon", "comma"
  let fresh = true; // nothing in this container yet
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const match = TOKEN.exec(text);
    if (!match) return null;
    const token = match[0];
    const top = stack[stack.length - 1];
    if (/^\s/.test(token)) continue;
    if (token === "}" || token === "]") {
      const closes = top.type === "{" ? "}" : "]";
      if (stack.length === 1 || token !== closes || !(wants === "comma" || fresh)) return null;
      stack.pop().to = TOKEN.lastIndex;
      wants = "comma";
      fresh = false;
    } else if (wants === "comma") {
      if (token !== "," || stack.length === 1) return null;
      wants = top.type === "{" ? "key" : "value";
    } else if (wants === "colon") {
      if (token !== ":") return null;
      wants = "value";
    } else if (wants === "key") {
      if (token[0] !== '"') return null;
      key = token;
      wants = "colon";
      fresh = false;
    } else {
      if (token === "," || token === ":") return null;
      const opens = token === "{" || token === "[";
      const node = opens ? { type: token, kids: [], from: match.index } : { type: kindOf(token), text: token };
      top.kids.push([top.type === "{" ? key : null, node]);
      fresh = opens;
      if (opens) stack.push(node);
      wants = opens ? (token === "{" ? "key" : "value") : "comma";
    }
  }
  return stack.length === 1 && root.kids.length === 1 ? root.kids[0][1] : null;
}

const kindOf = (token) => (token[0] === '"' ? "string" : /^[-0-9]/.test(token) ? "number" : "word");
const KIDS_AT_ONCE = 100;
const DEEPEST = 32; // from here on as text: narrower than a column nothing can be read

/** A node as elements; what is folded is made when it is unfolded. */
function jsonNode(text, key, node, depth) {
  const label = key === null ? [] : [el("span", { class: "key" }, key), ": "];
  if (!node.kids) return el("div", { class: "leaf" }, label, el("span", { class: node.type }, node.text));
  const close = node.type === "{" ? "}" : "]";
  const noun = node.type === "{" ? "field" : "item";
  if (!node.kids.length) return el("div", { class: "leaf" }, label, node.type + close);
  const inside = el("div", { class: "kids" });
  const folded = el("details", {}, el("summary", {}, label, node.type,
    el("span", { class: "fold" }, ` ${plural(node.kids.length, noun)} `), el("span", { class: "fold" }, close)), inside, el("div", { class: "close" }, close));
  if (depth === DEEPEST) { inside.append(pre(text.slice(node.from, node.to))); return folded; }
  let shown = 0;
  const more = () => {
    for (const [name, kid] of node.kids.slice(shown, shown + KIDS_AT_ONCE)) inside.append(jsonNode(text, name, kid, depth + 1));
    shown += KIDS_AT_ONCE;
    if (shown < node.kids.length) {
      const button = el("button", { type: "button", click: () => { button.remove(); more(); } }, `${number(node.kids.length - shown)} more`);
      inside.append(button);
    }
  };
  folded.addEventListener("toggle", () => { if (folded.open && !shown) more(); });
  if (depth < 2 && node.kids.length <= 40) { more(); folded.open = true; }
  return folded;
}

/* -- bodies */

const pre = (text, kind) => el("pre", { class: kind || "text", tabindex: "0" }, el("code", {}, text));

function events(text) {
  return el("ol", { class: "events" }, text.split(/(?:\\r)?\n(?:\\r)?\n/).filter(Boolean).map((event) =>
    el("li", {}, event.split("\n").map((line) => {
      const [, name, rest] = /^(\w*:)?([^]*)$/.exec(line);
      return el("div", {}, el("span", { class: "key" }, name || ""), rest);
    }))));
}

function formFields(text) {
  return el("table", { class: "form" }, el("tbody", {}, text.split("&").map((pair) => {
    const at = pair.indexOf("=");
    const parts = at < 0 ? [pair, ""] : [pair.slice(0, at), pair.slice(at + 1)];
    const [name, value] = parts.map(plainText);
    return el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value));
  })));
}

/** Percent-decoded where the result is harmless to look at, as it was written otherwise. */
function plainText(text) {
  try {
    const found = decodeURIComponent(text.replaceAll("+", " "));
    return /[\p{C}\p{Zl}\p{Zp}]/u.test(found) ? text : found;
  } catch { return text; }
}

function content(body) {
  if (body.form === "binary") return pre(body.text + (body.clipped ? " ..." : ""), "hex");
  if (body.form === "events") return events(body.text);
  if (body.form === "lines") return el("ol", { class: "events" }, body.text.split("\n").filter(Boolean).map((line) => el("li", {}, line)));
  if (body.form === "form" && !body.clipped) return formFields(body.text);
  if (body.form === "json" && !body.clipped) {
    const found = tree(body.text);
    if (found) return el("div", { class: "json" }, jsonNode(body.text, null, found, 0));
  }
  return pre(body.text);
}

function bodyView(index) {
  if (index === undefined) return el("p", { class: "none" }, "no body");
  const body = data.bodies[index];
  const told = [body.form, size(body.size), body.coding && `${body.coding} on the wire`];
  const view = [el("p", { class: "told" }, told.filter(Boolean).join(" · "))];
  if (body.digest) view.push(el("p", { class: "told digest" }, body.digest));
  view.push(content(body));
  if (body.clipped) {
    const unit = body.form === "binary" ? "the first bytes" : `the first ${plural(body.text.length, "character")}`;
    view.push(el("p", { class: "clipped" }, `Shown: ${unit} of ${size(body.size)}. The whole body: booktest-cassettes show TEST --json`));
  }
  return el("div", { class: "body" }, view);
}

function headersView(indices) {
  const pairs = (indices || []).map((index) => data.headers[index]);
  if (!pairs.length) return null;
  return el("details", { class: "headers" }, el("summary", {}, plural(pairs.length, "header")),
    el("table", {}, el("tbody", {}, pairs.map(([name, value]) =>
      el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: value.includes("REDACTED") ? "redacted" : "" }, value))))));
}
