
/* One test: what is wrong, what changed, its traffic. */

const statusClass = (item) => (item.status === undefined ? "error" : `${Math.floor(item.status / 100)}xx`);
const linkTo = (id, place) => `#${encodeURIComponent(id)}${place ? `?${place}` : ""}`;
const badge = (state) => el("span", { class: `badge ${data.fine.includes(state) ? "fine" : "look"}`, "data-state": state, title: data.states[state] || "" }, state.toLowerCase());

/** All interactions of a test, in order: {kind, at, item, unplayed}. */
function trafficOf(test) {
  if (test.traffic) return test.traffic;
  test.traffic = [];
  for (const snapshot of test.snapshots || []) {
    const found = data.contents[snapshot.digest];
    const approved = snapshot.digest === snapshot.approved;
    const unplayed = approved && snapshot.unplayed ? new Set(snapshot.unplayed) : null;
    (found && found.exchanges || []).forEach((item, at) =>
      test.traffic.push({ kind: snapshot.kind, at, item, unplayed: unplayed ? unplayed.has(at) : null }));
  }
  return test.traffic;
}

const contentsOf = (test) => (test.snapshots || []).map((snapshot) => data.contents[snapshot.digest]).filter(Boolean);

function parted(url) {
  const match = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)([^]*)$/i.exec(url);
  return match ? [el("span", { class: "origin" }, match[1]), el("span", { class: "path" }, match[2] || "/")] : [el("span", { class: "path" }, url)];
}

const pill = (item) => el("span", { class: `pill s${statusClass(item)[0]}` }, item.status === undefined ? "error" : String(item.status));

/* -- what changed */

function sides(place) {
  const cell = (name, text) => el("td", { class: name }, el("span", { class: "side" }, name === "old" ? "old" : "new"),
    text === undefined ? el("span", { class: "none" }, "none") : text === "" ? el("span", { class: "none" }, "empty") : el("code", {}, text));
  return el("tr", {}, el("th", { scope: "row" }, place.where, place.noise ? el("span", { class: "noise" }, place.noise) : null), cell("old", place.old), cell("new", place.new));
}

const placesTable = (places) => el("table", { class: "places" },
  el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "where"), el("th", { scope: "col" }, "old"), el("th", { scope: "col" }, "new"))),
  el("tbody", {}, places.map(sides)));

function changeView(change) {
  const places = change.places || [];
  const counts = places.filter((place) => !place.noise);
  const noise = places.filter((place) => place.noise);
  return el("li", { class: `change ${change.what}` },
    el("p", {}, el("span", { class: "what" }, change.what), " ", el("code", { class: "url" }, change.title)),
    counts.length ? placesTable(counts) : null,
    noise.length ? el("details", { class: "folded" }, el("summary", {}, `${plural(noise.length, "volatile value")} folded`), placesTable(noise)) : null,
    change.more ? el("p", { class: "clipped" }, `and ${plural(change.more, "place")} more: booktest-cassettes diff`) : null);
}

function diffView(diff) {
  const kinds = Object.entries(diff.changes || {}).filter(([, changes]) => changes.length);
  const against = diff.against === "approved" ? "against what is approved" : `against ${diff.against}`;
  return el("section", { class: "diff" }, el("h3", {}, `What changed, ${against}`), el("p", { class: "headline" }, diff.headline || ""),
    (diff.warnings || []).map((text) => el("p", { class: "notice" }, text)),
    kinds.map(([kind, changes]) => [el("h4", {}, kind), el("ul", { class: "changes" }, changes.map(changeView))]),
    diff.result ? [el("h4", {}, "result file"), placesTable(diff.result)] : null,
    kinds.length || diff.result || !diff.text ? null : pre(diff.text.join("\n")));
}

/* -- traffic */

const LANE_COLUMNS = 400;

function timeline(test, open) {
  const traffic = trafficOf(test).slice(0, LANE_COLUMNS);
  if (traffic.length < 2) return null;
  const hosts = [...new Set(traffic.map(({ item }) => item.host || "?"))];
  const largest = Math.max(...traffic.map(({ item }) => item.size), 1);
  const lanes = hosts.map((host) => el("div", { class: "lane", role: "group", "aria-label": host }, el("span", { class: "host", title: host }, host),
    el("div", { class: "track" }, traffic.map(({ item, unplayed }, at) => {
      if ((item.host || "?") !== host) return el("span", { class: "gap" });
      const told = `${at + 1}. ${item.method} ${item.url}: ${item.status === undefined ? "exception" : item.status}, ${size(item.size)}${unplayed ? ", not played" : ""}`;
      const bar = el("span", { class: "bar" });
      bar.style.height = `${Math.round(20 + 80 * Math.log1p(item.size) / Math.log1p(largest))}%`;
      return el("button", { type: "button", class: `beat s${statusClass(item)[0]} ${unplayed ? "unplayed" : ""}`, title: told, "aria-label": told, click: () => open(at) }, bar);
    }))));
  const rest = trafficOf(test).length - traffic.length;
  return el("section", { class: "timeline" }, el("h3", {}, "Timeline"),
    el("p", { class: "told" }, "In recorded order, a lane for each host; taller is larger, the colour is the status",
      traffic.some((one) => one.unplayed) ? "; hatched was not played" : "", rest ? `; the first ${LANE_COLUMNS} of ${number(rest + LANE_COLUMNS)}` : ""),
    el("div", { class: "lanes", tabindex: "0" }, lanes));
}

function messageView(title, line, message, extra) {
  return el("section", { class: "message" }, el("h4", {}, title), el("p", { class: "line" }, el("code", {}, line)), extra,
    (message.notes || []).map((note) => el("p", { class: "told" }, note)), headersView(message.headers), bodyView(message.body));
}

function exchangeView(test, one, position) {
  const { item, kind, at, unplayed } = one;
  const inside = el("div", { class: "sides" });
  const view = el("details", { class: `exchange ${unplayed ? "unplayed" : ""}`, "data-place": `${kind}.${at + 1}` },
    el("summary", {}, el("span", { class: "nr" }, position + 1), el("span", { class: "method" }, item.method), el("span", { class: "url" }, parted(item.url)),
      el("span", { class: "end" }, unplayed ? el("span", { class: "mark" }, "not played") : null, pill(item), el("span", { class: "type" }, item.type || ""), el("span", { class: "size" }, size(item.size)))), inside);
  view.addEventListener("toggle", () => {
    if (!view.open || inside.firstChild) return;
    inside.append(messageView("Request", `${item.method} ${item.url}`, item.request),
      messageView("Response", item.response.line || "", item.response));
    inside.after(el("p", { class: "told" }, el("a", { href: linkTo(test.id, `${kind}.${at + 1}`) }, "link to this interaction")));
  });
  return view;
}

const AT_ONCE = 100;

/** Interactions, a hundred at a time; `open(position)` unfolds one, wherever it is. */
function trafficView(test) {
  const traffic = trafficOf(test);
  const list = el("div", { class: "exchanges" });
  let shown = 0;
  const button = el("button", { type: "button", click: () => more(shown + AT_ONCE) });
  const more = (until) => {
    button.remove();
    for (; shown < Math.min(until, traffic.length); shown += 1) list.append(exchangeView(test, traffic[shown], shown));
    if (shown < traffic.length) { button.textContent = `${number(traffic.length - shown)} more`; list.append(button); }
  };
  more(AT_ONCE);
  const open = (position) => {
    if (position >= shown) more(position + 1);
    const view = list.children[position];
    view.open = true;
    view.scrollIntoView({ block: "start" });
    view.firstChild.focus({ preventScroll: true });
  };
  return { list, open };
}

function callsView(calls) {
  return el("ol", { class: "calls" }, calls.map((call) => el("li", {}, el("p", {}, el("code", { class: "path" }, call.function)),
    [["arguments", call.arguments], [call.outcome, call.value]].map(([name, text]) => {
      const found = tree(text);
      return el("div", { class: "value" }, el("span", { class: "told" }, name), found ? el("div", { class: "json" }, jsonNode(text, null, found, 0)) : pre(text));
    }))));
}

const envView = (env) => el("table", { class: "form" }, el("tbody", {}, env.map(([name, value]) =>
  el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value === null ? el("span", { class: "none" }, "not set") : value)))));

const problemView = (problem) => el("div", { class: "problem" }, el("p", {}, el("strong", {}, problem.what)), pre(problem.message),
  problem.hint ? el("p", {}, "next: ", el("code", {}, problem.hint)) : null);

function redactionsView(found) {
  if (!found.length) return null;
  return el("ul", { class: "chips" }, found.map(([place, count]) => el("li", {}, place, el("b", {}, ` ${number(count)}`))));
}

function redactionsOf(contents) {
  const found = new Map();
  for (const content of contents) for (const one of content.redactions || []) found.set(one.place, (found.get(one.place) || 0) + one.count);
  return [...found].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

function snapshotLine(snapshot) {
  const found = data.contents[snapshot.digest];
  return el("li", {}, badge(snapshot.state), " ", el("b", {}, snapshot.kind), found ? ` ${size(found.size)} ` : " ", el("code", { class: "digest" }, snapshot.digest || ""));
}

/** Fill `place` with a test; `wanted` is the interaction to unfold, as in "http.3". */
function showTest(place, test, wanted) {
  const { list, open } = trafficView(test);
  const traffic = trafficOf(test);
  const redactions = redactionsOf(contentsOf(test));
  const section = (title, ...kids) => el("section", {}, el("h3", {}, title), ...kids);
  place.replaceChildren(
    el("p", { class: "back" }, el("a", { href: "#?tests" }, "All tests")),
    el("h2", {}, test.id), el("p", {}, badge(test.state), ` ${data.states[test.state] || ""}`, test.refused ? `; ${plural(test.refused, "network attempt")} refused` : ""),
    el("ul", { class: "snapshots" }, (test.snapshots || []).map(snapshotLine)),
    ...[
      (test.problems || []).length ? section("What went wrong", test.problems.map(problemView)) : null,
      ...(test.diffs || []).map(diffView), timeline(test, open),
      traffic.length ? section(plural(traffic.length, "interaction"), list) : null,
      ...contentsOf(test).flatMap((found) => [
        found.env && found.env.length ? section("Environment", envView(found.env)) : null,
        found.calls && found.calls.length ? section(plural(found.calls.length, "function call"), callsView(found.calls)) : null]),
      redactions.length ? section("Redacted before it was written", redactionsView(redactions)) : null,
    ].filter(Boolean));
  const position = traffic.findIndex((one) => `${one.kind}.${one.at + 1}` === wanted);
  if (position >= 0) open(position);
  else if (traffic.length === 1) list.firstChild.open = true;
}
