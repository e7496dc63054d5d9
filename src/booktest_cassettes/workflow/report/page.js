
/* The page: tiles, the list with its search and filters, what the address says, the keyboard. */

const byId = (id) => document.getElementById(id);
const collator = new Intl.Collator("en", { numeric: true });
const order = Object.keys(data.states);
const urgency = (test) => (data.fine.includes(test.state) ? order.length : order.indexOf(test.state));
const tests = (data.tests || []).sort((a, b) => urgency(a) - urgency(b) || collator.compare(a.id, b.id));
const known = new Map(tests.map((test) => [test.id, test]));
const picked = new Set(); // states
let shownTests = [];
let current = null;

/* -- search and filters */

const lineOf = (item) => `${item.method} ${item.url} ${item.status === undefined ? "error" : item.status} ${item.type || ""}`.toLowerCase();
const unusedOf = (test) => trafficOf(test).filter((one) => one.unplayed);

const WITH = {
  changes: (test) => (test.diffs || []).length > 0,
  problems: (test) => (test.problems || []).length > 0,
  "unused interactions": (test) => unusedOf(test).length > 0,
  redactions: (test) => contentsOf(test).some((found) => (found.redactions || []).length),
};

function terms() {
  return byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
}

/** The interactions of a test that search and filters mean; null where the test itself does not fit. */
function hits(test, words) {
  const [kind, host, status, having] = ["kind", "host", "status", "with"].map((id) => byId(id).value);
  if (picked.size && !(test.snapshots || []).some((one) => picked.has(one.state)) && !picked.has(test.state)) return null;
  if (kind && !(test.snapshots || []).some((one) => one.kind === kind)) return null;
  if (having && !WITH[having](test)) return null;
  const name = test.id.toLowerCase();
  const rest = words.filter((word) => !name.includes(word));
  const narrow = rest.length || host || status;
  const found = trafficOf(test).filter(({ item, kind: its }) => (!kind || its === kind) && (!host || item.host === host)
    && (!status || statusClass(item) === status) && rest.every((word) => (item.line || (item.line = lineOf(item))).includes(word)));
  return narrow ? (found.length ? found : null) : [];
}

function filter() {
  const words = terms();
  shownTests = [];
  for (const test of tests) {
    const found = hits(test, words);
    if (found) shownTests.push({ test, found });
  }
  const all = shownTests.length === tests.length;
  byId("found").textContent = all ? plural(tests.length, "test") : `${number(shownTests.length)} of ${plural(tests.length, "test")}`;
  byId("reset").hidden = all && !words.length && !picked.size;
  drawList();
}

/* -- the list, made as far as it is looked at */

const ROWS = 60;
let drawn = 0;
const sentinel = el("li", { class: "sentinel" }, el("button", { type: "button", click: () => moreRows() }, "More"));
const watch = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) moreRows(); }, { rootMargin: "600px" });

function drawList() {
  drawn = 0;
  byId("list").replaceChildren();
  moreRows();
  if (!shownTests.length) byId("list").append(el("li", { class: "empty" }, tests.length ? "No test fits. Clear the search or a filter." : "No test has a recording."));
}

function moreRows(until) {
  const end = Math.min(Math.max(drawn + ROWS, until || 0), shownTests.length);
  watch.unobserve(sentinel);
  sentinel.remove();
  for (; drawn < end; drawn += 1) byId("list").append(row(shownTests[drawn]));
  if (drawn < shownTests.length) { byId("list").append(sentinel); watch.observe(sentinel); }
}

const STRIP = 40;

function row({ test, found }) {
  const traffic = trafficOf(test);
  const at = test.id.lastIndexOf("::", test.id.includes("[") ? test.id.indexOf("[") : undefined);
  const bytes = contentsOf(test).reduce((sum, one) => sum + one.size, 0);
  const hosts = [...new Set(traffic.map(({ item }) => item.host).filter(Boolean))];
  const kinds = (test.snapshots || []).map((one) => one.kind).join(" + ");
  const facts = [kinds, traffic.length && plural(traffic.length, "interaction"), hosts[0] && hosts[0] + (hosts.length > 1 ? ` +${hosts.length - 1}` : ""), bytes && size(bytes)];
  const marks = [(test.diffs || []).length && "changed", unusedOf(test).length && `${unusedOf(test).length} unused`];
  const strip = traffic.slice(0, STRIP).map(({ item, unplayed }) => el("i", { class: `s${statusClass(item)[0]} ${unplayed ? "unplayed" : ""}` }));
  return el("li", {}, el("a", { class: "row", href: linkTo(test.id), "aria-current": test.id === current ? "true" : false },
    el("span", { class: "name" }, at > 0 ? [el("span", { class: "file" }, test.id.slice(0, at + 2)), el("b", {}, test.id.slice(at + 2))] : el("b", {}, test.id)),
    badge(test.state), el("span", { class: "facts" }, facts.filter(Boolean).join(" · "), marks.filter(Boolean).map((mark) => el("span", { class: "mark" }, mark))),
    el("span", { class: "strip", "aria-hidden": "true" }, strip)),
    found.length ? el("ul", { class: "hits" }, found.slice(0, 3).map(({ item, kind, at: nr }) => el("li", {}, el("a", { href: linkTo(test.id, `${kind}.${nr + 1}`) }, el("span", { class: "method" }, item.method), " ", item.url, " ", pill(item)))),
      found.length > 3 ? el("li", { class: "told" }, `and ${number(found.length - 3)} more`) : null) : null);
}

/* -- summary */

function tiles() {
  const fill = order.filter((state) => data.counts[state]).map((state) => {
    const tile = el("button", { type: "button", class: "tile", "data-state": state, "aria-pressed": "false", title: data.states[state], click: () => {
      if (!picked.delete(state)) picked.add(state);
      tile.setAttribute("aria-pressed", String(picked.has(state)));
      if (location.hash.startsWith("#?")) location.hash = "#?tests";
      filter();
    } }, el("b", {}, number(data.counts[state])), el("span", {}, state.toLowerCase()));
    return tile;
  });
  byId("tiles").replaceChildren(...fill);
}

function facts() {
  const exchanges = tests.reduce((sum, test) => sum + trafficOf(test).length, 0);
  const bytes = (data.blobs || []).reduce((sum, blob) => sum + (blob.size || 0), 0);
  byId("title").replaceChildren("Recordings of ", el("b", {}, data.project || "this project"));
  const told = [plural(tests.length, "test"), plural(exchanges, "interaction"), size(bytes), `storage ${data.storage}`, data.remote,
    data.revision && `commit ${data.revision}`, data.mode && `mode ${data.mode}`, data.base && `compared with ${data.base}`,
    data.source === "pytest" ? "after a pytest run" : "the project as it is"];
  byId("facts").replaceChildren(...told.filter(Boolean).map((text) => el("span", {}, text)));
  byId("notices").replaceChildren(...(data.notes || []).map((note) => el("p", { class: "notice" }, note)),
    ...(data.next ? [el("p", { class: "next" }, "next: ", el("code", {}, data.next))] : []));
}

const VIEWS = { tests: "Tests", findings: "Findings", storage: "Storage" };

function options(id, all, values) {
  byId(id).replaceChildren(el("option", { value: "" }, all), ...values.map((value) => el("option", { value }, value)));
}

function fillFilters() {
  const traffic = tests.flatMap(trafficOf);
  const several = (values) => [...new Set(values)].filter(Boolean).sort();
  options("kind", "any", several(tests.flatMap((test) => (test.snapshots || []).map((one) => one.kind))));
  options("host", "any", several(traffic.map(({ item }) => item.host)));
  options("status", "any", several(traffic.map(({ item }) => statusClass(item))));
  options("with", "anything", Object.keys(WITH));
  byId("filters").addEventListener("input", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(clear));
}

function clear() {
  picked.clear();
  for (const tile of byId("tiles").children) tile.setAttribute("aria-pressed", "false");
  filter();
}

/* -- the other views */

function findings() {
  const looked = tests.filter((test) => !data.fine.includes(test.state) || (test.problems || []).length);
  const unused = tests.filter((test) => unusedOf(test).length);
  const redactions = redactionsOf(Object.values(data.contents));
  return [el("h2", { class: "section" }, "To look at"), looked.length ? el("ul", { class: "plain" }, looked.map((test) => el("li", {}, badge(test.state), " ", el("a", { href: linkTo(test.id) }, test.id),
    (test.problems || []).map((problem) => el("p", { class: "told" }, problem.message.split("\n")[0]))))) : el("p", { class: "none" }, "Nothing."),
  el("h2", { class: "section" }, "Recorded and not played"), unused.length ? el("ul", { class: "plain" }, unused.map((test) => el("li", {}, el("a", { href: linkTo(test.id) }, test.id),
    el("ul", {}, unusedOf(test).map(({ item, kind, at }) => el("li", {}, el("a", { href: linkTo(test.id, `${kind}.${at + 1}`) }, `${item.method} ${item.url}`))))))) : el("p", { class: "none" }, data.source === "pytest" ? "Nothing." : "Only a test run can tell: pytest --cassettes-report=PATH."),
  el("h2", { class: "section" }, "Redacted before it was written"), redactionsView(redactions) || el("p", { class: "none" }, "Nothing.")];
}

function storage() {
  const blobs = data.blobs || [];
  const places = new Map();
  for (const blob of blobs) {
    for (const name of [blob.where, blob.unpushed && "unpushed"].filter(Boolean)) {
      const sum = places.get(name) || [0, 0];
      places.set(name, [sum[0] + 1, sum[1] + (blob.size || 0)]);
    }
  }
  const users = new Map();
  for (const test of tests) for (const one of test.snapshots || []) for (const digest of new Set([one.digest, one.approved])) users.set(digest, [...(users.get(digest) || []), test]);
  const largest = Math.max(...blobs.map((blob) => blob.size || 0), 1);
  const body = el("tbody", {});
  let shown = 0;
  const button = el("button", { type: "button", click: () => more() });
  const more = () => {
    body.append(...blobs.slice(shown, shown + AT_ONCE).map((blob) => {
      const bar = el("span", { class: "fill" });
      bar.style.width = `${Math.max(100 * (blob.size || 0) / largest, 0.5)}%`;
      const [first] = users.get(blob.digest) || [];
      return el("tr", {}, el("td", { class: "wide" }, el("span", { class: "gauge" }, bar)), el("td", { class: "right" }, size(blob.size)), el("td", {}, blob.kind),
        el("td", {}, plural(blob.tests, "test")), el("td", {}, blob.where + (blob.unpushed ? ", unpushed" : "")), el("td", { class: "digest", title: blob.digest }, first ? el("a", { href: linkTo(first.id) }, first.id) : blob.digest.slice(7, 19)));
    }));
    shown += AT_ONCE;
    button.textContent = `${number(blobs.length - shown)} more`;
    button.hidden = shown >= blobs.length;
  };
  more();
  return [el("h2", {}, "Where they are"), el("ul", { class: "places-list" }, [...places].map(([name, [count, bytes]]) => el("li", { "data-where": name }, el("b", {}, number(count)), ` ${name}`, el("span", { class: "told" }, size(bytes))))),
    el("p", { class: "told" }, `storage ${data.storage}${data.remote ? `, ${data.remote}` : ""}`), el("h2", {}, "By size"),
    el("div", { class: "scroll" }, el("table", { class: "blobs" }, el("thead", {}, el("tr", {}, ["", "size", "kind", "shared by", "where", "first test"].map((name) => el("th", { scope: "col" }, name)))), body)), button];
}

/* -- the address and the keyboard */

function go() {
  const hash = location.hash.slice(1);
  const [name, place] = [hash.split("?")[0], hash.split("?")[1] || ""];
  let id = "";
  try { id = decodeURIComponent(name); } catch { id = ""; }
  const test = known.get(id);
  const view = test ? "tests" : VIEWS[place] ? place : "tests";
  current = test ? test.id : null;
  document.body.className = `${view === "tests" ? "" : "other"} ${test ? "open" : ""}`;
  byId("browse").hidden = byId("detail").hidden = view !== "tests";
  byId("storage").hidden = view === "tests";
  byId("views").replaceChildren(...Object.entries(VIEWS).map(([key, title]) => el("a", { href: `#?${key}`, "aria-current": key === view ? "page" : false }, title)));
  if (view !== "tests") byId("storage").replaceChildren(...(view === "storage" ? storage() : findings()));
  else if (test) showTest(byId("detail"), test, place);
  else byId("detail").replaceChildren(...findings());
  for (const link of byId("list").querySelectorAll("a.row")) {
    if (test && link.getAttribute("href") === linkTo(id)) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  if (test && !place) (matchMedia("(max-width: 899px)").matches ? window : byId("detail")).scrollTo(0, 0);
}

function step(by) {
  const at = shownTests.findIndex(({ test }) => test.id === current);
  const next = shownTests[at < 0 ? (by > 0 ? 0 : shownTests.length - 1) : at + by];
  if (!next) return;
  const until = shownTests.indexOf(next) + 1;
  if (until > drawn) moreRows(until);
  location.hash = linkTo(next.test.id);
  const link = [...byId("list").querySelectorAll("a.row")].find((one) => one.getAttribute("href") === linkTo(next.test.id));
  if (link) link.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape") { event.target.blur(); if (!typing && location.hash) location.hash = "#?tests"; return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    if (byId("browse").hidden || !byId("browse").checkVisibility()) { location.hash = "#?tests"; go(); }
    byId("search").focus();
  }
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
});

addEventListener("hashchange", go);
tiles();
facts();
fillFilters();
filter();
go();
document.documentElement.dataset.ready = "true";
