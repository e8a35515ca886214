"use strict";
// A plane to draw on, handles on it that a pointer or the arrow keys move, and sliders: what page.js
// is made of. A change of anything draws the whole plane anew, of which only the handles stay.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const show = (x, digits = 2) => x.toFixed(digits).replace("-", "−");

function make(parent, name, attributes, text) {
  const node = parent.appendChild(document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** An <svg> with coordinates and three layers: pictures, above them handles, above them labels. */
class Plane {
  constructor(svg, xs, ys, draw) {
    Object.assign(this, { svg, xs, ys, draw, handles: [] });
    this.pictures = make(svg, "g", {});
    this.top = make(svg, "g", {});
    this.labels = make(svg, "g", { "pointer-events": "none" });
    new ResizeObserver(() => this.refresh()).observe(svg);
  }
  refresh() {
    this.width = this.svg.clientWidth;
    if (!this.width) return; // not laid out yet, or hidden: the observer asks again when it is seen
    this.height = Math.min(this.width * 0.8, 560);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.style.height = `${this.height}px`;
    this.pictures.replaceChildren();
    this.labels.replaceChildren();
    this.draw(this);
    for (const handle of this.handles) handle.place();
  }
  // The scale of x and y is the same where `ys` is not given: then angles are angles.
  get unit() { return this.width / (this.xs[1] - this.xs[0]); }
  get unitY() { return this.ys ? this.height / (this.ys[1] - this.ys[0]) : this.unit; }
  get low() { return this.ys ? this.ys[0] : -this.height / this.unit / 2; }
  toPixels([x, y]) {
    return [(x - this.xs[0]) * this.unit, this.height - (y - this.low) * this.unitY];
  }
  fromPixels([px, py]) {
    return [px / this.unit + this.xs[0], (this.height - py) / this.unitY + this.low];
  }
  within([x, y]) {
    const high = this.low + this.height / this.unitY;
    const clamp = (value, a, b) => Math.min(Math.max(value, a), b);
    return [clamp(x, ...this.xs), clamp(y, this.low, high)];
  }
  line(points, attributes) {
    const path = points.map((p) => this.toPixels(p).map((v) => v.toFixed(1)).join(",")).join(" ");
    return make(this.pictures, "polyline", { points: path, fill: "none", ...attributes });
  }
  axes(xName, yName, xTicks, yTicks) {
    const [x, y] = [this.width - 6, this.height - 6];
    make(this.pictures, "text", { x, y, "text-anchor": "end", class: "name" }, xName);
    make(this.pictures, "text", { x: 26, y: 16, class: "name" }, yName);
    for (const x of xTicks) {
      const [px] = this.toPixels([x, 0]);
      make(this.pictures, "line", { x1: px, x2: px, y1: 0, y2: this.height, class: "axis" });
      make(this.pictures, "text", { x: px + 3, y: this.height - 4, class: "tick" }, show(x, 0));
    }
    for (const y of yTicks) {
      const [, py] = this.toPixels([0, y]);
      make(this.pictures, "line", { x1: 0, x2: this.width, y1: py, y2: py, class: "axis" });
      make(this.pictures, "text", { x: 3, y: py - 3, class: "tick" }, show(y, 0));
    }
  }
}

/** A round thing at get(), moved by the pointer and by arrow keys: set(point) is called. */
class Handle {
  constructor(plane, { name, colour, radius, get, set }) {
    Object.assign(this, { plane, get, set });
    this.node = make(plane.top, "circle", {
      class: "handle", r: radius, fill: colour, tabindex: 0, role: "button", "aria-label": name,
    });
    make(this.node, "title", {}, name);
    plane.handles.push(this);
    this.node.addEventListener("pointerdown", (event) => this.node.setPointerCapture(event.pointerId));
    this.node.addEventListener("pointermove", (event) => {
      if (!this.node.hasPointerCapture(event.pointerId)) return;
      const box = plane.svg.getBoundingClientRect();
      this.move(plane.fromPixels([event.clientX - box.left, event.clientY - box.top]));
    });
    this.node.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (!(event.key in steps)) return;
      event.preventDefault(); // the page stays where it is
      this.move(add(this.get(), steps[event.key], event.shiftKey ? 0.02 : 0.1));
    });
  }
  move(point) {
    this.set(this.plane.within(point));
    this.plane.refresh();
  }
  place() {
    const [cx, cy] = this.plane.toPixels(this.get());
    this.node.setAttribute("cx", cx);
    this.node.setAttribute("cy", cy);
  }
}

/** A slider whose value stands beside it. */
function slider(id, plane) {
  const input = byId(id);
  input.addEventListener("input", () => plane().refresh());
  return () => {
    input.nextElementSibling.textContent = show(+input.value, 3).replace(/\.?0+$/, "");
    return +input.value;
  };
}
