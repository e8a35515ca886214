// Tabs, the switch between programs, search, the details of what is selected, and keys.

const VIEWS = { graph, passes, memory, threads };
const KEYS = "1 to 4: views · [ ]: passes · e: programs · /: search · arrows: go along the equations · " +
  "d: to what it is a derivative of · f: fold · + - 0: zoom · Esc: nothing selected";
const MANY = 12; // links in a list
const byId = (id) => document.getElementById(id);

function render() {
  byId("view").replaceChildren();
  VIEWS[view.tab].show(byId("view"));
  for (const tab of byId("tabs").children) tab.setAttribute("aria-selected", tab.dataset.tab === view.tab);
  for (const choice of byId("programs").children) {
    choice.setAttribute("aria-checked", +choice.dataset.program === view.program);
  }
  search();
  details();
}

function changed() {
  VIEWS[view.tab].update?.();
  details();
}

function setTab(tab) {
  view.tab = tab;
  render();
  VIEWS[tab].reveal?.();
}

function setStage(k) {
  view.stage = Math.max(0, Math.min(stages().length - 1, k));
  passes.position = view.stage;
  render();
}

// The traced equations of two programs are not the same, so nothing stays selected.
function setProgram(k) {
  unselect();
  view.program = k;
  passes.step = null;
  render();
}

function search() {
  const stage = stages()[view.stage];
  byId("found").textContent = view.query ? `${found(stage).length} of ${count(stage)}` : "";
  VIEWS[view.tab].search?.();
}

function nextFound() {
  const stage = stages()[view.stage], some = found(stage), at = selectedIn(stage);
  if (!some.length) return;
  select(stage, some.find((i) => i > at) ?? some[0]);
  VIEWS[view.tab].reveal?.();
}

// ---- details ----

function details() {
  const pane = byId("details");
  if (!view.selected) {
    return pane.replaceChildren(make("h2", {}, "Nothing is selected"),
      make("p", {}, "Choose an equation: it is marked in every view and followed through all passes."),
      make("p", { class: "soft" }, KEYS));
  }
  const stage = stageNamed(view.selected.stage), i = view.selected.i;
  const trace = stages()[0], cause = stage.cause[i], rule = text(stage.rule[i]);
  const given = ["input", "constant"].includes(text(stage.op[i]));
  pane.replaceChildren(
    make("h2", {}, make("code", {}, equationText(stage, i))),
    make("p", {}, make("span", { class: `swatch o${Math.min(stage.order[i], 3)}` }),
      `order ${stage.order[i]}, ${scopeOf(stage, i)}`),
    make("p", { class: "soft" }, `${typeOf(stage, i)}, after ${stage.name}`),
    ...valueLines(),
    make("p", { class: "soft" }, text(stage.at[i]) ? `line ${text(stage.at[i])}` : "no line of yours"),
    ...(given || !rule ? [] : [
      make("h3", {}, `made by the derivative rule of ${rule}, for`),
      cause < 0 ? make("p", {}, "a constant") : links(trace, [cause]),
      make("pre", {}, program().rules[rule] || `no source of the rule of ${rule}`),
    ]),
    ...section("its derivatives", stage, derivativesOf(stage, view.traced)),
    ...section("inputs", stage, stage.inputs[i]),
    ...section("read by", stage, readersOf(stage, i)),
    ...section("stands for, in the trace", trace, [...view.traced]),
    ...running());
}

function section(title, stage, list) {
  return list.length ? [make("h3", {}, title), links(stage, list)] : [];
}

function links(stage, list) {
  const shown = list.slice(0, MANY).map((i) => make("button", {
    class: "link", title: equationText(stage, i),
    click: () => { select(stage, i); VIEWS[view.tab].reveal?.(); },
  }, `${stage.name === "trace" ? `t${i}` : nameOf(stage, i)} ${text(stage.op[i])}`));
  const rest = list.length - shown.length;
  return make("div", { class: "links" }, ...shown, rest > 0 ? `and ${rest} more` : null);
}

// To the kernel of a step, {part, step}.
function stepLink(run, words) {
  const click = () => { passes.step = run; passes.position = stages().length; setTab("passes"); };
  return make("button", { class: "link", click }, words);
}

// Of the traced values that it stands for, if asked for: min, mean, max, shares.
function valueLines() {
  const of = program().values, some = of.length ? [...view.traced].slice(0, MANY) : [];
  return some.map((t) => make("p", { class: "statistics" }, `${some.length > 1 ? `t${t}: ` : ""}${text(of[t])}`));
}

// Where the selected value is, in each pass and in what is run.
function running() {
  const { rows, steps } = runOf(view.traced), plan = stageNamed("plan");
  const places = stages().map((stage) => {
    const here = sharing(stage, view.traced).slice(0, 4).map((i) => nameOf(stage, i));
    return make("p", {}, `${stage.name}: ${here.join(", ") || "gone: no result needs it any more"}`);
  });
  const values = program().parts.flatMap((part, p) => part.values
    .filter(([i]) => rows.includes(i))
    .map(([i, begin, n, first, last]) =>
      `${nameOf(plan, i)}: ${bytes(n)} from ${begin} (${program().parts[p].name}), steps ${first} to ${last}`));
  const computed = steps.slice(0, MANY).map((run) => stepLink(run, stepText(run.part, run.step)));
  return [
    make("h3", {}, "through the passes"), make("div", { id: "followed" }, ...places),
    ...(computed.length ? [make("h3", {}, "computed in"), make("div", { class: "links" }, ...computed)] : []),
    make("h3", {}, "in memory"),
    ...(values.length ? values : ["nowhere: it only passes through registers"])
      .slice(0, MANY).map((words) => make("p", {}, words)),
  ];
}

// ---- keys ----

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = ["INPUT", "SELECT"].includes(event.target.tagName);
  if (event.key === "Escape") {
    event.target.blur();
    unselect();
  } else if (typing) return;
  else if (event.key === "/") byId("search").focus();
  else if (event.key === "e") setProgram((view.program + 1) % DATA.programs.length);
  else if (event.key === "[" || event.key === "]") turnPass(event.key === "]" ? 1 : -1);
  else if ("1234".includes(event.key)) setTab(Object.keys(VIEWS)[event.key - 1]);
  else if (!VIEWS[view.tab].key(event.key)) return;
  event.preventDefault();
}

function turnPass(turn) {
  if (view.tab !== "passes") setStage(view.stage + turn);
  else passes.go(Math.max(0, Math.min(passes.last, passes.position + turn)));
}

Object.entries(VIEWS).forEach(([tab, { title }]) => byId("tabs").append(
  make("button", { role: "tab", "data-tab": tab, click: () => setTab(tab) }, title)));
if (DATA.programs.length > 1) {
  DATA.programs.forEach(({ name }, k) => byId("programs").append(
    make("button", { role: "radio", "data-program": k, click: () => setProgram(k) }, name)));
}
const ORDERS = ["0: forward", "1: gradient", "2: gradient of gradient", "3"];
const highest = Math.max(...DATA.programs.flatMap((p) => p.stages[0].order.map((n) => Math.min(n, 3))));
ORDERS.slice(0, highest + 1).forEach((name, k) => byId("legend").append(
  make("span", {}, make("span", { class: `swatch o${k}` }), `order ${name}`)));
byId("search").addEventListener("input", (event) => { view.query = event.target.value.trim(); search(); });
byId("search").addEventListener("keydown", (event) => { if (event.key === "Enter") nextFound(); });
document.addEventListener("keydown", key);
window.addEventListener("resize", () => { if (view.tab === "memory") render(); });
view.stage = stages().findIndex((stage) => stage.name === "simplify");
render();
