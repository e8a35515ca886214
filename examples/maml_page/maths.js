"use strict";
// What the page computes, as pure functions of numbers and arrays; nothing here knows of the page.
// tests/test_maml_explorer.py runs this file in node and compares it with the engine to 1e-10.

// ---- Quadratic tasks of two parameters -----------------------------------------------------------
//
//   L_i(theta) = 1/2 (theta - c_i)' A_i (theta - c_i)          grad L_i = A_i (theta - c_i)
//   one inner step   theta - alpha A (theta - c), so   theta'_K - c = S^K (theta - c),
//                                                      S = I - alpha A
//   F(theta) = mean_i L_i(theta'_i),  theta'_i after K steps
//
// A matrix is [[a, b], [b, d]]: all are symmetric, and those of one task commute.

const IDENTITY = [[1, 0], [0, 1]];

const add = (a, b, scale = 1) => [a[0] + scale * b[0], a[1] + scale * b[1]];
const apply = (m, v) => [m[0][0] * v[0] + m[0][1] * v[1], m[1][0] * v[0] + m[1][1] * v[1]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
const combine = (m, n, scale) => m.map((row, i) => add(row, n[i], scale)); // m + scale n
const mean = (vectors) => vectors.reduce((sum, v) => add(sum, v, 1 / vectors.length), [0, 0]);

function product(m, n) {
  const columns = [0, 1].map((j) => apply(m, [n[0][j], n[1][j]]));
  return [[columns[0][0], columns[1][0]], [columns[0][1], columns[1][1]]];
}

function inverse(m) {
  const determinant = m[0][0] * m[1][1] - m[0][1] * m[1][0];
  return [
    [m[1][1] / determinant, -m[0][1] / determinant],
    [-m[1][0] / determinant, m[0][0] / determinant],
  ];
}

/** A, of a task {centre, angle, curvatures: along the direction of the angle, and across it}. */
function curvature(task) {
  const [c, s] = [Math.cos(task.angle), Math.sin(task.angle)];
  const [k1, k2] = task.curvatures;
  const b = (k1 - k2) * c * s;
  return [[k1 * c * c + k2 * s * s, b], [b, k1 * s * s + k2 * c * c]];
}

/** S^K, by which K inner steps multiply the distance to the centre. */
function contraction(a, alpha, steps) {
  const step = combine(IDENTITY, a, -alpha);
  let power = IDENTITY;
  for (let k = 0; k < steps; k++) power = product(step, power);
  return power;
}

/** The matrix and centre of F, itself quadratic: the mean of S^K A S^K, and where F is least. */
function outerLoss(tasks, alpha, steps) {
  let matrix = [[0, 0], [0, 0]];
  let weighted = [0, 0];
  for (const task of tasks) {
    const a = curvature(task);
    const s = contraction(a, alpha, steps);
    const m = product(s, product(a, s));
    matrix = combine(matrix, m, 1 / tasks.length);
    weighted = add(weighted, apply(m, task.centre), 1 / tasks.length);
  }
  return { matrix, centre: apply(inverse(matrix), weighted) };
}

/** The meta-gradient of each method at theta, the mean over tasks; adapted: theta'_i of each.
 *
 *   exact        S^K A S^K (theta - c)       the gradient of F
 *   first        A S^K (theta - c)           the inner gradients taken as constants (FOMAML)
 *   hessian      exact - first               what that leaves out; one step: -alpha A g'
 *   reptile      (theta - theta') / (alpha K), the mean of the K inner gradients A S^k (theta - c)
 *                                            (Nichol et al. 2018)
 *   imaml        (I + A / lambda)^-1 A (phi - c), phi the minimum of
 *                L + lambda / 2 |phi - theta|^2          (Rajeswaran et al. 2019)
 */
function metaGradients(theta, tasks, alpha, steps, lambda) {
  const found = { exact: [], first: [], hessian: [], reptile: [], imaml: [] };
  const adapted = [];
  for (const task of tasks) {
    const a = curvature(task);
    const s = contraction(a, alpha, steps);
    const away = add(theta, task.centre, -1); // theta - c
    const left = apply(s, away); // theta' - c
    const first = apply(a, left);
    const exact = apply(s, first);
    const damping = inverse(combine(IDENTITY, a, 1 / lambda)); // phi - c = damping (theta - c)
    adapted.push(add(task.centre, left));
    found.first.push(first);
    found.exact.push(exact);
    found.hessian.push(add(exact, first, -1));
    const inner = Array.from({ length: Math.max(steps, 1) }, (_, k) => contraction(a, alpha, k));
    found.reptile.push(mean(inner.map((power) => apply(a, apply(power, away)))));
    found.imaml.push(apply(damping, apply(a, apply(damping, away))));
  }
  const means = Object.entries(found).map(([name, vectors]) => [name, mean(vectors)]);
  return { ...Object.fromEntries(means), adapted };
}

/** The half axes and the angle of the ellipse 1/2 v' M v = level. */
function ellipse(m, level) {
  const middle = (m[0][0] + m[1][1]) / 2;
  const radius = Math.hypot((m[0][0] - m[1][1]) / 2, m[0][1]);
  const angle = Math.atan2(2 * m[0][1], m[0][0] - m[1][1]) / 2; // of the larger curvature
  return {
    along: Math.sqrt((2 * level) / (middle + radius)),
    across: Math.sqrt((2 * level) / Math.max(middle - radius, 1e-12)),
    angle,
  };
}

// ---- The net of the sinusoid ---------------------------------------------------------------------
//
// weights: [w, b, w, b, ..], w (C, O) a list of rows, b (O); relu between dense layers; xs, ys (N).

/** The activations (N, C) before each layer, and last the outputs (N, 1). */
function activations(weights, xs) {
  const all = [xs.map((x) => [x])];
  for (let k = 0; k < weights.length; k += 2) {
    const [w, b] = [weights[k], weights[k + 1]];
    const last = k + 2 === weights.length;
    all.push(
      all[all.length - 1].map((row) =>
        b.map((bias, o) => {
          const sum = row.reduce((total, x, c) => total + x * w[c][o], bias);
          return last ? sum : Math.max(0, sum);
        }),
      ),
    );
  }
  return all;
}

const predict = (weights, xs) => activations(weights, xs).pop().map((row) => row[0]);

const squaredError = (weights, xs, ys) =>
  predict(weights, xs).reduce((sum, p, n) => sum + (p - ys[n]) ** 2 / xs.length, 0);

/** The gradient of the mean squared error, shaped like the weights: one backward pass. */
function gradient(weights, xs, ys) {
  const layers = activations(weights, xs);
  const outputs = layers.pop();
  let g = outputs.map((row, n) => [(2 * (row[0] - ys[n])) / xs.length]); // (N, O)
  const gradients = [];
  for (let k = weights.length - 2; k >= 0; k -= 2) {
    const inputs = layers.pop(); // (N, C)
    const w = weights[k];
    const ofBias = g[0].map((_, o) => g.reduce((sum, row) => sum + row[o], 0));
    const ofWeight = w.map((row, c) =>
      row.map((_, o) => g.reduce((sum, gn, n) => sum + inputs[n][c] * gn[o], 0)),
    );
    gradients.unshift(ofWeight, ofBias);
    // The rule of relu: nothing passes where it was 0. (The lowest inputs are x; unused there.)
    g = g.map((gn, n) =>
      w.map((row, c) => (inputs[n][c] > 0 ? row.reduce((sum, x, o) => sum + x * gn[o], 0) : 0)),
    );
  }
  return gradients;
}

/** The weights after 0, 1, .., steps gradient steps on the points. */
function adaptNet(weights, xs, ys, alpha, steps) {
  const descend = (p, g) => (Array.isArray(p) ? p.map((x, k) => descend(x, g[k])) : p - alpha * g);
  const path = [weights];
  for (let k = 0; k < steps; k++) {
    const last = path[k];
    path.push(descend(last, gradient(last, xs, ys)));
  }
  return path;
}

if (typeof module !== "undefined") {
  module.exports = { metaGradients, outerLoss, predict, squaredError, gradient, adaptNet, ellipse };
}
