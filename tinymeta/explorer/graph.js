// The graph of one stage: lanes by scope, an equation a node, its colour and shape by order. The
// place of a node within its lane is computed in Python; here lanes are folded, moved and scaled.

const PITCH = { x: 46, y: 20 };
const NODE = { width: 40, height: 14 };
const LABEL = 30; // above the nodes of a lane
const NAMES_FROM = 0.8; // the scale from which operations are written on nodes

const graph = {
  title: "Graph",
  folded: new Set(), // names of lanes
  at: { x: 8, y: 0, scale: 0 }, // of the drawing in the window; 0: to be fitted

  show(main) {
    const choice = make("select", { "aria-label": "Pass", change: (e) => setStage(+e.target.value) });
    stages().forEach((stage, k) => {
      const label = `${stage.name}: ${many(count(stage), "equation")}`;
      choice.append(make("option", { value: k, selected: k === view.stage }, label));
    });
    const button = (label, name, act) => make("button", { "aria-label": name, click: act }, label);
    this.allEdges = make("input", { type: "checkbox", change: () => this.drawEdges() });
    main.append(make("div", { class: "tools" },
      choice,
      button("+", "Zoom in", () => this.zoom(1.3)),
      button("−", "Zoom out", () => this.zoom(1 / 1.3)),
      button("fit", "Fit to width", () => this.fit()),
      button("fold all", "Fold or unfold all scopes", () => this.foldAll()),
      make("label", {}, this.allEdges, " edges between scopes"),
      make("span", { class: "soft hint" }, "solid: inputs and readers; dotted: derivative of")));
    this.moving = draw("g");
    this.svg = draw("svg", { tabindex: 0, role: "group", "aria-label": "Graph of equations" }, this.moving);
    this.labels = make("div");
    main.append(make("div", { class: "canvas" }, this.svg, this.labels));
    this.listen();
    this.draw();
    if (!this.at.scale) this.fit();
    else this.move();
  },

  // ---- drawing ----

  draw() {
    const stage = stages()[view.stage];
    this.stage = stage;
    this.tops = [];
    let top = 0;
    stage.heights.forEach((rows, lane) => {
      this.tops.push(top);
      top += LABEL + (this.folded.has(stage.lanes[lane]) ? 0 : rows * PITCH.y) + 6;
    });
    this.height = top;
    this.width = DATA.columns * PITCH.x;
    const backs = stage.lanes.map((_, lane) => draw("rect", {
      class: "lane", x: -4, y: this.tops[lane], width: this.width + 8, rx: 6,
      height: (this.tops[lane + 1] ?? top) - this.tops[lane] - 4,
    }));
    this.within = draw("path", { class: "edges" });
    this.across = draw("path", { class: "edges" });
    this.near = draw("path", { class: "near" });
    this.causes = draw("path", { class: "cause" });
    this.nodes = new Map();
    for (let i = 0; i < count(stage); i++) {
      if (this.folded.has(scopeOf(stage, i))) continue;
      const { x, y } = this.place(i);
      const order = Math.min(stage.order[i], 3);
      const node = draw("rect", {
        class: `node o${order}`, "data-i": i, x, y, ...NODE, rx: [7, 3, 0, 5][order],
      }, draw("title", {}, `${equationText(stage, i)}  ${typeOf(stage, i)}`));
      this.nodes.set(i, node);
    }
    this.names = draw("g");
    this.moving.replaceChildren(...backs, this.within, this.across, ...this.nodes.values(),
      this.near, this.causes, this.names);
    this.labels.replaceChildren(...stage.lanes.map((scope, lane) => this.label(scope, lane)));
    this.drawEdges();
    this.update();
    this.search();
  },

  label(scope, lane) {
    const orders = [0, 0, 0, 0];
    this.stage.lane.forEach((l, i) => { if (l === lane) orders[Math.min(this.stage.order[i], 3)]++; });
    const parts = orders.map((n, k) => (n ? `${n} of order ${k}` : "")).filter(Boolean);
    const folded = this.folded.has(scope);
    return make("button", {
      class: "fold", "data-lane": lane, "aria-expanded": `${!folded}`, click: () => this.fold(scope),
    }, `${folded ? "▸" : "▾"} ${scope}: ${parts.join(", ")}`);
  },

  place(i) {
    const { column, row, lane } = this.stage;
    const inside = this.folded.has(scopeOf(this.stage, i)) ? LABEL / 2 - NODE.height : LABEL + row[i] * PITCH.y;
    return { x: column[i] * PITCH.x, y: this.tops[lane[i]] + inside };
  },

  edge(from, to) {
    const a = this.place(from), b = this.place(to);
    const y1 = a.y + NODE.height / 2, y2 = b.y + NODE.height / 2, x1 = a.x + NODE.width;
    if (b.x < x1) return `M${a.x + NODE.width / 2} ${y1}L${b.x + NODE.width / 2} ${y2}`;
    const bend = Math.max(14, (b.x - x1) / 3);
    return `M${x1} ${y1}C${x1 + bend} ${y1} ${b.x - bend} ${y2} ${b.x} ${y2}`;
  },

  drawEdges() {
    const { inputs, lane } = this.stage;
    const within = [], across = [];
    inputs.forEach((xs, i) => xs.forEach((x) => {
      if (lane[x] !== lane[i]) { if (this.allEdges.checked) across.push(this.edge(x, i)); }
      else if (this.nodes.has(i) && this.side(x, i)) within.push(this.edge(x, i));
    }));
    this.within.setAttribute("d", within.join(""));
    this.across.setAttribute("d", across.join(""));
  },

  // Is one to the right of the other, in the same band? Others would cross the whole lane.
  side(from, to) {
    const { column, row } = this.stage;
    return column[from] < column[to] && Math.abs(row[from] - row[to]) < 6;
  },

  // ---- selection ----

  update() {
    const stage = this.stage, marked = highlighted(stage), at = selectedIn(stage);
    const causes = new Set(at >= 0 ? sharing(stage, new Set([stage.cause[at]])) : []);
    for (const [i, node] of this.nodes) {
      node.classList.toggle("chosen", marked.has(i));
      node.classList.toggle("caused", causes.has(i));
    }
    const near = at < 0 ? [] : [
      ...stage.inputs[at].map((x) => this.edge(x, at)),
      ...readersOf(stage, at).map((y) => this.edge(at, y)),
    ];
    this.near.setAttribute("d", near.join(""));
    this.causes.setAttribute("d", [...causes].map((c) => this.edge(c, at)).join(""));
  },

  reveal() {
    const at = selectedIn(this.stage);
    if (at < 0) return;
    const { x, y } = this.place(at), { clientWidth: w, clientHeight: h } = this.svg.parentNode;
    const left = this.at.x + x * this.at.scale, top = this.at.y + y * this.at.scale;
    if (left < 10 || left > w - 60) this.at.x += w / 2 - left;
    if (top < 30 || top > h - 40) this.at.y += h / 2 - top;
    this.move();
  },

  search() {
    const some = view.query ? new Set(found(this.stage)) : null;
    this.moving.classList.toggle("searching", some !== null);
    for (const [i, node] of this.nodes) node.classList.toggle("match", some !== null && some.has(i));
  },

  // ---- folding, zoom ----

  fold(scope) {
    if (!this.folded.delete(scope)) this.folded.add(scope);
    this.draw();
    this.move();
  },

  foldAll() {
    this.folded = new Set(this.folded.size ? [] : this.stage.lanes);
    this.draw();
    this.fit();
  },

  fit() {
    const width = this.svg.parentNode.clientWidth;
    this.at = { x: 10, y: 8, scale: Math.max(0.45, Math.min(1.2, (width - 24) / this.width)) };
    this.move();
  },

  zoom(factor, x = this.svg.clientWidth / 2, y = this.svg.clientHeight / 2) {
    const scale = Math.min(4, Math.max(0.1, this.at.scale * factor)), ratio = scale / this.at.scale;
    this.at = { x: x - (x - this.at.x) * ratio, y: y - (y - this.at.y) * ratio, scale };
    this.move();
  },

  move() {
    const { x, y, scale } = this.at;
    this.moving.setAttribute("transform", `translate(${x} ${y}) scale(${scale})`);
    for (const label of this.labels.children) {
      label.style.top = `${y + (this.tops[label.dataset.lane] + 4) * scale}px`;
    }
    this.writeNames();
  },

  // Operations on the nodes in the window, if they are large enough to be read.
  writeNames() {
    const { x, y, scale } = this.at, names = [];
    if (scale >= NAMES_FROM) {
      const right = this.svg.clientWidth, bottom = this.svg.clientHeight;
      for (const i of this.nodes.keys()) {
        const place = this.place(i), left = x + place.x * scale, top = y + place.y * scale;
        if (left < -60 || left > right || top < -30 || top > bottom) continue;
        const short = text(this.stage.op[i]).slice(0, 8);
        const shade = `name n${Math.min(this.stage.order[i], 3)}`;
        names.push(draw("text", { class: shade, x: place.x + 2, y: place.y + 10 }, short));
      }
    }
    this.names.replaceChildren(...names);
  },

  listen() {
    let last = null, travelled = 0;
    this.svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey) return this.zoom(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
      this.at.x -= event.deltaX;
      this.at.y -= event.deltaY;
      this.move();
    }, { passive: false });
    this.svg.addEventListener("pointerdown", (event) => { last = event; travelled = 0; });
    this.svg.addEventListener("pointermove", (event) => {
      if (!last || !event.buttons) return;
      this.at.x += event.clientX - last.clientX;
      this.at.y += event.clientY - last.clientY;
      travelled += Math.abs(event.clientX - last.clientX) + Math.abs(event.clientY - last.clientY);
      last = event;
      this.move();
    });
    this.svg.addEventListener("pointerup", () => { last = null; });
    this.svg.addEventListener("click", (event) => {
      const node = event.target.closest(".node");
      if (node && travelled < 5) select(this.stage, +node.dataset.i);
    });
  },

  key(name) {
    const at = selectedIn(this.stage), stage = this.stage;
    const to = {
      ArrowLeft: at - 1, ArrowRight: at + 1,
      ArrowUp: stage.inputs[at]?.[0], ArrowDown: at < 0 ? 0 : readersOf(stage, at)[0],
      d: at < 0 ? undefined : sharing(stage, new Set([stage.cause[at]]))[0],
    }[name];
    if (name === "+") this.zoom(1.3);
    else if (name === "-") this.zoom(1 / 1.3);
    else if (name === "0") this.fit();
    else if (name === "f" && at >= 0) this.fold(scopeOf(stage, at));
    else if (to !== undefined && to >= 0 && to < count(stage)) {
      select(stage, to);
      this.reveal();
    } else return false;
    return true;
  },
};
