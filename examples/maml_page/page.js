"use strict";
// What the page shows, and what its handles do. All numbers come from maths.js, planes and handles
// from plane.js; DATA has the weights of the net, the first tasks and the first points.

// ---- Quadratic tasks -----------------------------------------------------------------------------

const METHODS = [
  { key: "exact", en: "exact MAML", zh: "精确 MAML", dash: "" },
  { key: "first", en: "first order", zh: "一阶近似", dash: "9 4" },
  { key: "hessian", en: "Hessian term", zh: "Hessian 项", dash: "2 4" },
  { key: "reptile", en: "Reptile", zh: "Reptile", dash: "12 3 3 3" },
  { key: "imaml", en: "iMAML", zh: "iMAML", dash: "5 5" },
];
const state = structuredClone(DATA.quadratics);
const alpha = slider("alpha", () => bowls);
const steps = slider("steps", () => bowls);
const lambda = slider("lambda", () => bowls);
const named = (method) => method[document.body.className];

function drawEllipse(plane, matrix, centre, level, attributes) {
  const { along, across, angle } = ellipse(matrix, level);
  const [cx, cy] = plane.toPixels(centre);
  const degrees = (-angle * 180) / Math.PI; // the page's y points down
  make(plane.pictures, "ellipse", {
    cx, cy, rx: along * plane.unit, ry: across * plane.unit, fill: "none",
    transform: `rotate(${degrees} ${cx} ${cy})`, ...attributes,
  });
}

function drawArrow(plane, from, vector, method) {
  const colour = `var(--${method.key})`;
  const to = add(from, vector);
  const [x, y] = plane.toPixels(to);
  const direction = Math.atan2(-vector[1], vector[0]);
  plane.line([from, to], { stroke: colour, "stroke-width": 3, "stroke-dasharray": method.dash });
  const corner = (turn) => `${x - 13 * Math.cos(direction + turn)},${y - 13 * Math.sin(direction + turn)}`;
  const head = `${x},${y} ${corner(0.4)} ${corner(-0.4)}`;
  make(plane.pictures, "polygon", { points: head, fill: colour });
  return { x, y, colour, left: vector[0] < 0, text: named(method) };
}

/** The names at the heads of the arrows, moved apart where they would cover one another. */
function drawLabels(plane, labels) {
  labels.sort((a, b) => a.y - b.y);
  let last = -Infinity;
  for (const { x, y, colour, left, text } of labels) {
    last = Math.max(y + 4, last + 16);
    const attributes = { y: last, class: "label", style: `fill: ${colour}` };
    const label = make(plane.labels, "text", attributes, text);
    const width = label.getComputedTextLength();
    const wanted = left ? x - 8 - width : x + 8;
    label.setAttribute("x", Math.min(Math.max(wanted, 4), plane.width - width - 4));
  }
}

function drawQuadratics(plane) {
  const { theta, tasks } = state;
  const found = metaGradients(theta, tasks, alpha(), steps(), lambda());
  plane.axes("θ₁", "θ₂", [-2, -1, 0, 1, 2], [-2, -1, 0, 1, 2]);
  const outer = outerLoss(tasks, alpha(), steps());
  const away = add(theta, outer.centre, -1);
  const level = dot(away, apply(outer.matrix, away)) / 2;
  for (const share of [0.25, 1, 2.25]) {
    const attributes = { stroke: "var(--exact)", "stroke-opacity": 0.6, "stroke-width": share === 1 ? 2 : 1 };
    drawEllipse(plane, outer.matrix, outer.centre, share * level, attributes);
  }
  tasks.forEach((task, i) => {
    const attributes = { stroke: "var(--ink)", "stroke-opacity": 0.55, "stroke-width": 1 };
    drawEllipse(plane, curvature(task), task.centre, 0.5, attributes);
    plane.line([theta, found.adapted[i]], { stroke: "var(--ink)", "stroke-dasharray": "2 4" });
    const [cx, cy] = plane.toPixels(found.adapted[i]);
    make(plane.pictures, "circle", { cx, cy, r: 3, fill: "var(--ink)" });
    make(plane.pictures, "text", { x: cx + 6, y: cy + 14 }, `θ′${"₁₂₃"[i]}`);
    const [x, y] = plane.toPixels(task.centre);
    make(plane.pictures, "text", { x: x + 11, y: y - 6 }, `c${"₁₂₃"[i]}`);
  });
  const longest = Math.max(...METHODS.map(({ key }) => Math.hypot(...found[key])), 1e-9);
  const heads = METHODS.filter(({ key }) => Math.hypot(...found[key]) > 1e-6 * longest).map(
    (method) => drawArrow(plane, theta, found[method.key].map((v) => (-1.8 * v) / longest), method),
  );
  drawLabels(plane, heads);
  tellMethods(found);
}

function tellMethods(found) {
  const length = Math.hypot(...found.exact);
  byId("methods").replaceChildren(
    ...METHODS.map((method) => {
      const g = found[method.key];
      const cosine = dot(g, found.exact) / (Math.hypot(...g) * length);
      const row = document.createElement("tr");
      const ratio = Math.hypot(...g) / length;
      const cells = [named(method), g.map((v) => show(v)).join(", ")];
      cells.push(...[cosine, ratio].map((v) => (Number.isFinite(v) ? show(v, 3) : "–")));
      for (const text of cells) row.appendChild(document.createElement("td")).textContent = text;
      row.firstChild.style.color = `var(--${method.key})`;
      return row;
    }),
  );
}

const bowls = new Plane(byId("quadratics"), [-3, 3], null, drawQuadratics);
state.tasks.forEach((task, i) => {
  const axis = () => [Math.cos(task.angle), Math.sin(task.angle)];
  new Handle(bowls, {
    name: `c${i + 1}`, colour: "var(--faint)", radius: 9,
    get: () => task.centre, set: (point) => { task.centre = point; },
  });
  new Handle(bowls, { // at the end of the half axis of the contour L = 1/2: 1 / sqrt(curvature)
    name: `A${i + 1}`, colour: "var(--faint)", radius: 6,
    get: () => add(task.centre, axis(), 1 / Math.sqrt(task.curvatures[0])),
    set: (point) => {
      const arm = add(point, task.centre, -1);
      task.angle = Math.atan2(arm[1], arm[0]);
      task.curvatures[0] = 1 / Math.max(Math.hypot(...arm), 0.4) ** 2;
    },
  });
});
new Handle(bowls, {
  name: "θ", colour: "var(--ink)", radius: 10,
  get: () => state.theta, set: (point) => { state.theta = point; },
});

// ---- The sinusoid --------------------------------------------------------------------------------

const points = DATA.points.map((point) => [...point]);
const waveSteps = slider("wave-steps", () => waves);
const waveAlpha = slider("wave-alpha", () => waves);
const GRID = Array.from({ length: 161 }, (_, k) => -5 + k / 16);

function drawWave(plane) {
  plane.axes("x", "y", [-4, -2, 0, 2, 4], [-4, -2, 0, 2, 4]);
  const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
  const path = adaptNet(DATA.weights, xs, ys, waveAlpha(), waveSteps());
  path.forEach((weights, k) => {
    const curve = predict(weights, GRID).map((y, n) => [GRID[n], y]);
    const [first, last] = [k === 0, k === path.length - 1];
    const stroke = first ? "var(--faint)" : "var(--exact)";
    const style = { stroke, "stroke-width": first || last ? 3 : 1, "stroke-opacity": last || first ? 1 : 0.5 };
    plane.line(curve, style);
  });
  const errors = [path[0], path[path.length - 1]].map((w) => show(squaredError(w, xs, ys), 3));
  const texts = {
    en: `Mean squared error on the six points: ${errors[0]} before, ${errors[1]} after.`,
    zh: `六个点上的均方误差：适应之前 ${errors[0]}，之后 ${errors[1]}。`,
  };
  byId("wave-error").textContent = texts[document.body.className];
}

const waves = new Plane(byId("wave"), [-5, 5], [-6, 6], drawWave);
points.forEach((_, k) => {
  new Handle(waves, {
    name: `(x, y) ${k + 1}`, colour: "var(--first)", radius: 9,
    get: () => points[k], set: (point) => { points[k] = point; },
  });
});
byId("new-wave").addEventListener("click", () => {
  const [amplitude, phase] = [0.5 + 4.5 * Math.random(), Math.PI * Math.random()];
  for (const point of points) point[1] = amplitude * Math.sin(point[0] - phase);
  waves.refresh();
});

// ---- The language --------------------------------------------------------------------------------

function speak(language) {
  document.body.className = language;
  document.documentElement.lang = language;
  byId("language").textContent = language === "en" ? "中文" : "English";
  bowls.refresh();
  waves.refresh();
}
byId("language").addEventListener("click", () => speak(document.body.className === "en" ? "zh" : "en"));
speak((navigator.language || "en").startsWith("zh") ? "zh" : "en");
