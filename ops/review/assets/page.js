"use strict";
// Draws the report that is embedded in the page. Text goes in as text, never as HTML.

const report = JSON.parse(document.getElementById("report").textContent);
const byId = (id) => document.getElementById(id);
const MARKS = { create: "+", update: "~", replace: "±", delete: "−", same: "" };
const SAID = { create: "created", update: "changed", replace: "replaced", delete: "deleted", same: "unchanged" };
const LABELS = report.words.labels;
const GRAVE = new Set(["may lose data", "weakens TLS or auth", "opens a port", "replaces"]);
const READABLE = 0.75;
const SVG = "http://www.w3.org/2000/svg";

/** What is shown now. */
const view = { stack: null, chosen: null, focus: null, x: 0, y: 0, scale: 1, fitted: true, operations: new Set(), labels: new Set() };

function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}
function drawn(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}
function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// ---- What the stack is made of ----

const changed = (resource) => resource.operation !== "same";
const kind = (resource) => resource.type.split(":").pop();

function start() {
  byId("revisions").append("From ", element("code", {}, report.base ?? "nothing"), " to ", element("code", {}, report.head));
  byId("report-notes").append(...notes(report.error, report.notes));
  for (const stack of report.stacks) {
    const counts = Object.entries(stack.counts).map(([operation, count]) =>
      element("span", { class: operation }, `${MARKS[operation]}${count}`));
    if (stack.error) counts.unshift(element("span", { class: "delete" }, "not compared"));
    byId("stacks").append(element("button",
      { type: "button", role: "tab", id: `tab-${stack.stack}`, "aria-controls": "stack", onclick: () => show(stack) },
      element("span", { class: "stack" }, stack.stack),
      element("span", { class: "counts" }, ...(counts.length ? counts : ["no changes"]))));
  }
  byId("stacks").addEventListener("keydown", moveTab);
  byId("find").addEventListener("input", filter);
  byId("component").addEventListener("change", filter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("zoom").addEventListener("click", (event) => zoomTo(event.target.dataset.zoom));
  byId("graph").addEventListener("keydown", moveFocus);
  document.addEventListener("keydown", shortcuts);
  dragging(byId("graph"));
  window.addEventListener("resize", () => { if (view.fitted) fit(); });
  const first = report.stacks.find((stack) => stack.stack === location.hash.slice(1))
    ?? report.stacks.find((stack) => stack.error || Object.keys(stack.counts).length) ?? report.stacks[0];
  show(first);
}

function notes(error, told) {
  return [
    ...(error ? [element("div", { class: "warning", role: "alert" }, error)] : []),
    ...(told.length ? [element("div", { class: "note" }, ...told.map((text) => element("p", {}, ...coded(text))))] : []),
  ];
}

/** Text in which backticks mark code. */
function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

/** A path that may break where one part of it ends. */
function breaking(path) {
  return element("code", {}, ...path.split(/(?<=[./])/).flatMap((part) => [part, element("wbr")]));
}

function show(stack) {
  Object.assign(view, { stack, chosen: null, focus: null });
  view.operations.clear();
  view.labels.clear();
  for (const tab of byId("stacks").children) {
    const selected = tab.id === `tab-${stack.stack}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
  }
  byId("stack").setAttribute("aria-labelledby", `tab-${stack.stack}`);
  byId("stack-notes").replaceChildren(...notes(stack.error, stack.notes));
  // Of a preview that failed before it met a resource there is nothing to draw.
  for (const id of ["filters", "workspace"]) byId(id).hidden = !stack.resources.length;
  byId("find").value = "";
  const components = [...new Set(stack.resources.map((resource) => resource.component))];
  byId("component").replaceChildren(element("option", { value: "*" }, "all"),
    ...components.map((name) => element("option", { value: name }, name || "(none)")));
  const operations = Object.keys(MARKS).filter((name) => stack.resources.some((resource) => resource.operation === name));
  toggles("operations", operations, (name) => `${MARKS[name]} ${SAID[name]}`.trim());
  toggles("labels", stack.labels, (name) => name);
  draw(stack);
  byId("sections").replaceChildren(...sections(stack));
  choose(null);
  filter();
  fit();
}

function toggles(group, names, text) {
  byId(group).replaceChildren(byId(group).querySelector("legend"), ...names.map((name) =>
    element("button", { type: "button", class: "toggle", "aria-pressed": "false", "data-name": name, onclick: (event) => {
      const on = !view[group].has(name);
      view[group][on ? "add" : "delete"](name);
      event.currentTarget.setAttribute("aria-pressed", on);
      filter();
    } }, text(name))));
}

// ---- The picture ----

function draw(stack) {
  const { boxes, row } = stack.picture;
  const resources = new Map(stack.resources.map((resource) => [resource.urn, resource]));
  view.places = new Map();
  view.nodes = new Map();
  for (const box of boxes) {
    for (const [urn, y] of Object.entries(box.rows)) {
      view.places.set(urn, { x: box.x, y, width: box.width, height: row, box });
    }
  }
  const edges = stack.resources.flatMap((resource) => resource.dependsOn
    .filter((other) => view.places.has(other))
    .map((other) => drawn("path", {
      class: "edge", d: curve(view.places.get(other), view.places.get(resource.urn)),
      "data-from": other, "data-to": resource.urn,
    })));
  const cards = boxes.map((box) => {
    const rows = Object.keys(box.rows).map((urn) => node(resources.get(urn)));
    const some = Object.keys(box.rows).some((urn) => changed(resources.get(urn)));
    return drawn("g", { class: `box${some ? " changed" : ""}` },
      drawn("rect", { x: box.x, y: box.y, width: box.width, height: box.height, rx: 10 }),
      drawn("text", { x: box.x + 14, y: box.y + 24 }, box.component || "the stack itself"), ...rows);
  });
  byId("scene").replaceChildren(drawn("g", {}, ...edges), ...cards);
  const first = stack.resources.find(changed) ?? stack.resources[0];
  if (first) view.nodes.get(first.urn).setAttribute("tabindex", 0);
}

function node(resource) {
  const { x, y, width, height } = view.places.get(resource.urn);
  const grave = resource.labels.some((label) => GRAVE.has(label));
  const made = drawn("g", {
    class: `resource ${resource.operation}`, role: "button", tabindex: -1, "aria-pressed": "false", "data-urn": resource.urn,
    "aria-label": [resource.name, kind(resource), SAID[resource.operation], ...resource.labels].join(", "),
    onclick: () => { focus(resource.urn, false); choose(resource.urn); },
    onfocus: () => { view.focus = resource.urn; },
  },
  drawn("rect", { x: x + 6, y: y + 2, width: width - 12, height: height - 4, rx: 6 }),
  changed(resource) ? drawn("text", { class: "mark", x: x + 20, y: y + 20 }, MARKS[resource.operation]) : null,
  drawn("text", { class: "name", x: x + 34, y: y + 19 }, resource.name),
  grave ? drawn("circle", { class: "flag", cx: x + width - 18, cy: y + height / 2, r: 4 }) : null,
  drawn("title", {}, [`${resource.name} (${resource.type})`, ...resource.labels].join("\n")));
  view.nodes.set(resource.urn, made);
  return made;
}

/** From the right side of what is waited for to the left side of what waits. */
function curve(from, to) {
  const [y1, y2] = [from.y + from.height / 2, to.y + to.height / 2];
  if (from.box === to.box) {
    const x = from.x + 6;
    const out = x - 14 - Math.min(30, Math.abs(y2 - y1) / 5);
    return `M${x},${y1} C${out},${y1} ${out},${y2} ${x},${y2}`;
  }
  const [x1, x2] = [from.x + from.width, to.x];
  const bend = Math.max(50, Math.abs(x2 - x1) / 2);
  return `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
}

function applyZoom() {
  byId("scene").setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
}

function fit() {
  const { width, height } = view.stack.picture;
  const room = byId("graph").getBoundingClientRect();
  if (!width || !room.width) return;
  view.scale = Math.min(1.25, (room.width - 70) / width, (room.height - 70) / height);
  view.fitted = true;
  view.x = (room.width - width * view.scale) / 2;
  view.y = (room.height - height * view.scale) / 2;
  applyZoom();
}

function zoom(factor, x, y) {
  view.fitted = false;
  const room = byId("graph").getBoundingClientRect();
  const [atX, atY] = [x ?? room.width / 2, y ?? room.height / 2];
  const scale = Math.min(4, Math.max(0.1, view.scale * factor));
  view.x = atX - ((atX - view.x) * scale) / view.scale;
  view.y = atY - ((atY - view.y) * scale) / view.scale;
  view.scale = scale;
  applyZoom();
}

/** A resource in the middle, at a size at which it can be read; closing the panel fits again. */
function centre(urn) {
  const room = byId("graph").getBoundingClientRect();
  const { x, y, width, height } = view.places.get(urn);
  view.scale = READABLE;
  view.x = room.width / 2 - (x + width / 2) * READABLE;
  view.y = room.height / 2 - (y + height / 2) * READABLE;
  applyZoom();
}

function zoomTo(how) {
  if (how === "in") zoom(1.25);
  else if (how === "out") zoom(0.8);
  else if (how === "fit") fit();
}

function dragging(graph) {
  let from = null;
  graph.addEventListener("pointerdown", (event) => {
    if (event.button === 0) from = { x: event.clientX - view.x, y: event.clientY - view.y, moved: false };
  });
  graph.addEventListener("pointermove", (event) => {
    if (!from) return;
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    // A hand is not that still: a click that moves a little stays a click.
    if (!from.moved && Math.hypot(x - view.x, y - view.y) < 5) return;
    if (!from.moved) graph.setPointerCapture(event.pointerId);
    from.moved = true;
    view.fitted = false;
    graph.classList.add("dragging");
    Object.assign(view, { x, y });
    applyZoom();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    graph.addEventListener(end, () => { from = null; graph.classList.remove("dragging"); });
  }
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    const room = graph.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY / 500), event.clientX - room.left, event.clientY - room.top);
  }, { passive: false });
}

// ---- Keyboard ----

function focus(urn, move = true) {
  for (const made of view.nodes.values()) made.setAttribute("tabindex", -1);
  const made = view.nodes.get(urn);
  made.setAttribute("tabindex", 0);
  view.focus = urn;
  if (move) {
    made.focus({ preventScroll: true });
    intoSight(view.places.get(urn));
  }
}

function intoSight({ x, y, width, height }) {
  const room = byId("graph").getBoundingClientRect();
  const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
  const [right, bottom] = [left + width * view.scale, top + height * view.scale];
  const margin = 20;
  if (left < margin) view.x += margin - left;
  else if (right > room.width - margin) view.x -= right - room.width + margin;
  if (top < margin) view.y += margin - top;
  else if (bottom > room.height - margin) view.y -= bottom - room.height + margin;
  applyZoom();
}

/** The next resource that the filter shows, in the direction of an arrow. */
function neighbour(urn, key) {
  const here = view.places.get(urn);
  const across = key === "ArrowLeft" || key === "ArrowRight";
  const sign = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
  let best = null;
  for (const [other, place] of view.places) {
    if (view.nodes.get(other).classList.contains("dim")) continue;
    const [dx, dy] = [place.x - here.x, place.y - here.y];
    const ahead = sign * (across ? dx : dy);
    // Up and down stay in the column; left and right go to the next one, as near as can be.
    if (ahead <= 0 || (!across && dx !== 0)) continue;
    const distance = across ? ahead * 10 + Math.abs(dy) : ahead;
    if (best === null || distance < best.distance) best = { other, distance };
  }
  return best?.other ?? null;
}

function moveFocus(event) {
  const urn = event.target.closest?.(".resource")?.dataset.urn;
  if (!urn || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow")) {
    event.preventDefault();
    const next = neighbour(urn, event.key);
    if (next) focus(next);
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    choose(urn);
  }
}

function moveTab(event) {
  const tabs = [...byId("stacks").children];
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = (tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length;
  tabs[next].focus();
  tabs[next].click();
}

function shortcuts(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
  if (event.key === "Escape") {
    if (event.target === byId("find") && byId("find").value) byId("find").value = "", filter();
    else if (view.chosen) choose(null);
    const back = view.focus ?? [...view.nodes].find(([, made]) => made.getAttribute("tabindex") === "0")?.[0];
    if (back) focus(back);
  } else if (typing) {
    if (event.key === "Enter" && event.target === byId("find")) {
      const match = view.stack.resources.find((resource) => !view.nodes.get(resource.urn).classList.contains("dim"));
      if (match) focus(match.urn);
    }
  } else if (event.key === "/") {
    event.preventDefault();
    byId("find").focus();
    byId("find").select();
  } else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
}

// ---- Filter ----

function filter() {
  const words = byId("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  const component = byId("component").value;
  const matches = (resource) => {
    const text = [resource.name, resource.type, resource.component, ...resource.labels,
      ...resource.properties.map((property) => property.path)].join(" ").toLowerCase();
    return words.every((word) => text.includes(word))
      && (component === "*" || resource.component === component)
      && (!view.operations.size || view.operations.has(resource.operation))
      && (!view.labels.size || resource.labels.some((label) => view.labels.has(label)));
  };
  let count = 0;
  for (const resource of view.stack.resources) {
    const shown = matches(resource);
    count += shown;
    const made = view.nodes.get(resource.urn);
    made.classList.toggle("dim", !shown);
    made.setAttribute("aria-hidden", !shown);
  }
  for (const edge of byId("scene").querySelectorAll(".edge")) {
    const dim = [edge.dataset.from, edge.dataset.to].some((urn) => view.nodes.get(urn).classList.contains("dim"));
    edge.classList.toggle("dim", dim);
  }
  byId("matching").textContent = `${count} of ${view.stack.resources.length} resources`;
  // The one that Tab leads to must be one that is shown.
  const held = [...view.nodes.values()].find((made) => made.getAttribute("tabindex") === "0");
  if (held?.classList.contains("dim")) {
    const first = [...view.nodes.values()].find((made) => !made.classList.contains("dim"));
    if (first) focus(first.dataset.urn, false);
  }
}

// ---- A resource's details ----

function choose(urn) {
  view.chosen = urn;
  for (const [other, made] of view.nodes) made.setAttribute("aria-pressed", other === urn);
  byId("scene").classList.toggle("chosen", Boolean(urn));
  for (const edge of byId("scene").querySelectorAll(".edge")) {
    edge.classList.toggle("near", Boolean(urn) && [edge.dataset.from, edge.dataset.to].includes(urn));
  }
  const panel = byId("details");
  const before = panel.hidden;
  panel.hidden = !urn;
  panel.replaceChildren(...(urn ? described(view.stack.resources.find((resource) => resource.urn === urn)) : []));
  panel.scrollTop = 0;
  if (before === panel.hidden) return;
  // The picture is narrower beside the panel: what is in sight must stay so.
  if (view.fitted) fit();
  if (urn && view.scale < READABLE) centre(urn);
  else if (urn) intoSight(view.places.get(urn));
}

function described(resource) {
  const neededBy = view.stack.resources.filter((other) => other.dependsOn.includes(resource.urn));
  const dependsOn = view.stack.resources.filter((other) => resource.dependsOn.includes(other.urn));
  return [
    element("button", { type: "button", class: "close", "aria-label": "Close (Escape)", onclick: () => { choose(null); focus(resource.urn); } }, "✕"),
    element("h2", { class: "mono" }, resource.name),
    element("p", { class: "quiet" }, element("code", {}, resource.type)),
    element("p", {}, element("strong", { class: resource.operation },
      `${MARKS[resource.operation]} ${report.words.operations[resource.operation]}`.trim())),
    element("p", {}, ...chips(resource.labels)),
    ...changesTable(resource),
    ...renderedTable(resource),
    ...links("Waits for", dependsOn),
    ...links("Needed by", neededBy),
    element("h3", {}, "All properties"),
    element("div", { class: "sides" },
      ...[["Old", resource.old], ["New", resource.new]].filter(([, side]) => Object.keys(side).length)
        .map(([title, side]) => element("details", { open: Object.keys(side).length < 12 },
          element("summary", {}, title), element("pre", { tabindex: 0 }, pretty(side))))),
  ];
}

function chips(labels) {
  return labels.map((label) => element("span", { class: `chip${GRAVE.has(label) ? " grave" : ""}` }, label));
}

function changesTable(resource) {
  if (!resource.properties.length) return [];
  const gravest = (property) => Math.min(99, ...property.labels.map((label) => LABELS.indexOf(label)));
  return [element("h3", {}, "What changes"), table(resource.properties.toSorted((one, other) => gravest(one) - gravest(other)))];
}

function table(properties) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...["Property", "Old", "New"].map((title) => element("th", { scope: "col" }, title)))),
    element("tbody", {}, ...properties.map((property) => element("tr", {},
      element("td", {}, element("span", { class: "known" }, report.words.properties[property.path] ?? ""),
        breaking(property.path),
        property.replaces ? element("strong", { class: "replace" }, " forces the replacement") : null,
        property.exposed ? element("strong", { class: "delete" }, " in plain text now") : null,
        element("div", {}, ...chips(property.labels))),
      side(property, "old"), side(property, "new")))));
}

function side(property, name) {
  if (!(name in property)) return element("td", { class: "none" }, "not set");
  const value = property[name];
  if (value === "[secret]") return element("td", { class: "none" }, "secret");
  if (value === "[unknown]") return element("td", { class: "none" }, "known after the update");
  return element("td", { class: name }, element("code", {}, typeof value === "string" ? value : JSON.stringify(value)));
}

function renderedTable(resource) {
  if (!resource.rendered) return [];
  if (!resource.rendered.length) return [element("h3", {}, "In the cluster"), element("p", {}, "No object of the chart differs.")];
  return [element("h3", {}, "In the cluster"), ...resource.rendered.map((object) =>
    element("details", {},
      element("summary", {}, element("strong", { class: object.operation }, `${MARKS[object.operation]} `),
        `${object.kind} ${object.name}`, object.restarts ? element("span", { class: "chip" }, "pods restart") : null),
      object.properties.length ? table(object.properties) : null))];
}

function links(title, resources) {
  if (!resources.length) return [];
  return [element("h3", {}, title), element("p", {}, ...resources.map((resource) =>
    element("button", { type: "button", class: "link mono", onclick: () => { choose(resource.urn); focus(resource.urn); } }, resource.name)))];
}

/** JSON with the line ends of its texts as line ends: most long values are files. */
function pretty(value) {
  return JSON.stringify(value, null, 2).replaceAll("\\n", "\n    ");
}

// ---- Below the picture, in this order ----

function sections(stack) {
  return [
    properties("Settings", "What the stack file says otherwise.", stack.settings),
    openHops(stack.openHops),
    properties("Outputs", "What others read of the stack.", stack.outputs),
    policies(stack.violations),
    engineDiff(stack.engineDiff),
  ].filter(Boolean);
}

function properties(title, text, listed) {
  if (!listed.length) return null;
  return element("section", {}, element("h2", {}, title), element("p", { class: "quiet" }, text), table(listed));
}

/** Not in the colours of what is made and deleted: one more open hop is nothing good. */
const HOP_CLASSES = { create: "grave", update: "update", delete: "create" };

function openHops(hops) {
  if (!hops.length) return null;
  const items = hops.map((hop) =>
    element(
      "li",
      {},
      element("strong", { class: HOP_CLASSES[hop.operation] ?? "" }, `${MARKS[hop.operation]} ${hop.hop}`.trim()),
      `: ${hop.operation === "delete" ? "open no more" : hop.reason || "no reason given"}`,
      hop.oldReason ? ` (was: ${hop.oldReason})` : "",
    ),
  );
  const text = "What is not encrypted in the stack as it would be, and why.";
  return element("section", {}, element("h2", {}, "Open hops"), element("p", { class: "quiet" }, text), element("ul", {}, ...items));
}

function policies(violations) {
  if (!violations.length) return null;
  const items = violations.map((found) =>
    element(
      "li",
      {},
      element("strong", {}, found.rule),
      ...coded(` (${found.level}) ${found.resource}: ${found.message}. ${found.remedy}`),
      ...(found.exception ? coded(` Excepted: ${found.exception}`) : []),
    ),
  );
  const text = "What the policy pack has against the stack as it would be.";
  return element("section", {}, element("h2", {}, "Policies"), element("p", { class: "quiet" }, text), element("ul", {}, ...items));
}

function engineDiff(text) {
  if (!text) return null;
  const classes = { "+": "create", "~": "update", "-": "delete", "+-": "replace", "-+": "replace" };
  const lines = text.split("\n").map((line) => {
    const mark = /^\s*(\+-|-\+|[+~-])/.exec(line)?.[1];
    return mark ? element("span", { class: classes[mark] }, line) : `${line}\n`;
  });
  return element("details", {}, element("summary", {}, "The engine's diff"), element("pre", { tabindex: 0 }, ...lines));
}

start();
