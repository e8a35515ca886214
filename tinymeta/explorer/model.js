// The data, what is selected, and how elements are made. A traced equation is a number; an equation
// of a stage (a pass) is a number there, and `of` lists the traced ones that it stands for.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const view = { program: 0, tab: "graph", stage: 0, selected: null, traced: new Set(), query: "" };

const program = () => DATA.programs[view.program];
const stages = () => program().stages;
const stageNamed = (name) => stages().find((stage) => stage.name === name);
const count = (stage) => stage.op.length;
const places = (stage) => [...stage.op.keys()];
const descent = (stage, i) => (stage.of ? stage.of[i] : [i]);
const text = (number) => program().texts[number];
const many = (n, noun, nouns = `${noun}s`) => `${n.toLocaleString("en")} ${n === 1 ? noun : nouns}`;
const bytes = (n) => `${n.toLocaleString("en")} bytes`;

// ---- elements ----

function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

// ---- equations ----

// Parts of what is run have names of their own, as in the text that `explain` prints.
function nameOf(stage, i) {
  return `v${stage.part ? i - stage.part.indexOf(stage.part[i]) : i}`;
}

function equationText(stage, i) {
  const operands = stage.inputs[i].map((x) => nameOf(stage, x));
  const fixed = text(stage.static[i]);
  const inside = fixed ? [...operands, fixed] : operands;
  return `${nameOf(stage, i)} = ${text(stage.op[i])}(${inside.join(", ")})`;
}

const typeOf = (stage, i) => text(stage.type[i]);
const scopeOf = (stage, i) => stage.lanes[stage.lane[i]];

// Those of a stage that stand for one of these traced equations.
const sharing = (stage, traced) => places(stage).filter((i) => descent(stage, i).some((t) => traced.has(t)));

const highlighted = (stage) => new Set(sharing(stage, view.traced));

const readersOf = (stage, i) => places(stage).filter((k) => stage.inputs[k].includes(i));

// What rules made for one of the selected equations.
const derivativesOf = (stage, traced) => places(stage).filter((i) => traced.has(stage.cause[i]));

// Where it is run: [{part, step}], and in memory; a view is where what it rearranges is.
function runOf(traced) {
  const plan = stageNamed("plan");
  const rows = [...new Set(sharing(plan, traced).map((i) => plan.base[i]))];
  const steps = rows.flatMap((i) => plan.steps[i].map((step) => ({ part: plan.part[i], step })));
  const seen = new Map(steps.map((run) => [`${run.part}/${run.step}`, run]));
  return { rows, steps: [...seen.values()] };
}

// ---- selection ----

function select(stage, i) {
  view.selected = { stage: stage.name, i };
  view.traced = new Set(descent(stage, i));
  changed();
}

function unselect() {
  view.selected = null;
  view.traced = new Set();
  changed();
}

// The selected equation in a stage: itself, or the first that stands for it; -1 if there is none.
function selectedIn(stage) {
  if (!view.selected) return -1;
  if (view.selected.stage === stage.name) return view.selected.i;
  return sharing(stage, view.traced)[0] ?? -1;
}

// ---- search ----

function matches(stage, i, words) {
  const about = [
    equationText(stage, i), typeOf(stage, i), `order ${stage.order[i]}`, scopeOf(stage, i),
    text(stage.at[i]), `rule of ${text(stage.rule[i])}`, ...descent(stage, i).map((t) => `t${t} `),
  ].join(" ").toLowerCase() + " ";
  return about.includes(words);
}

function found(stage) {
  const words = view.query.toLowerCase();
  const exact = /^t\d+$/.test(words) ? `${words} ` : words;
  return places(stage).filter((i) => matches(stage, i, exact));
}
