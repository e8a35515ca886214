// The arena: bytes over steps, a rectangle for each stored value, coloured by order of derivative.
// All programs are drawn to one scale, so switching between them shows what second order costs.

const MAP = { left: 58, top: 22, right: 16, bottom: 40, leastHeight: 220, mostHeight: 460 };

const memory = {
  title: "Memory",
  part: null, // the number of the part that is shown; null: the one with the most memory

  show(main) {
    const parts = program().parts;
    const largest = parts.reduce((best, part, p) => (part.size > parts[best].size ? p : best), 0);
    const shown = this.part !== null && this.part < parts.length ? this.part : largest;
    this.shown = parts[shown];
    this.values = this.shown.values;
    if (parts.length > 1) {
      const change = (event) => { this.part = +event.target.value; render(); };
      const choice = make("select", { "aria-label": "Part", change });
      parts.forEach((part, p) => choice.append(make("option", { value: p, selected: p === shown }, part.name)));
      main.append(make("div", { class: "tools" }, "part ", choice));
    }
    main.append(this.words(), make("div", { class: "map" }, this.map()), comparison());
    this.update();
  },

  words() {
    const { size, peak, live, name } = this.shown;
    const orders = Object.entries(live).map(([order, n]) => `${n.toLocaleString("en")} of order ${order}`);
    const total = Object.values(live).reduce((sum, n) => sum + n, 0);
    return make("div", { class: "text" },
      make("p", {}, make("b", { id: "arena", "data-bytes": size }, `arena ${bytes(size)}`),
        name === "chunk" ? " for each chunk that runs" : ""),
      make("p", { class: "soft" },
        `at the peak, step ${peak}, ${bytes(total)} are alive: ${orders.join(", ")}`));
  },

  map() {
    const { kinds, peak, size } = this.shown;
    const most = Math.max(...DATA.programs.map((p) => Math.max(...p.parts.map((part) => part.size))));
    const longest = Math.max(...DATA.programs.map((p) => Math.max(...p.parts.map((part) => part.kinds.length))));
    const { left, top, right, bottom, leastHeight, mostHeight } = MAP;
    const width = byId("view").clientWidth - 28 - left - right;
    const height = Math.max(leastHeight, Math.min(mostHeight, window.innerHeight / 2));
    this.x = (step) => left + (width * (step + 1)) / (longest + 2);
    this.y = (byte) => top + height * (1 - byte / most);
    const plan = stageNamed("plan"), floor = top + height, early = peak < longest / 2;
    this.rects = this.values.map(([i, begin, n, first, last]) => draw("rect", {
      class: `value o${Math.min(plan.order[i], 3)}`, "data-i": i, x: this.x(first),
      y: this.y(begin + n), width: this.x(last + 1) - this.x(first),
      height: Math.max(0.5, this.y(begin) - this.y(begin + n)),
    }, draw("title", {}, `${equationText(plan, i)}: bytes ${begin} to ${begin + n}, steps ${first} to ${last}`)));
    const label = (x, y, words, anchor = "middle") =>
      draw("text", { class: "label", x, y, "text-anchor": anchor }, words);
    const line = (x1, y1, x2, y2, name) => draw("line", { class: name, x1, y1, x2, y2 });
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * kinds.length));
    return draw("svg", {
      viewBox: `0 0 ${left + width + right} ${top + height + bottom}`,
      role: "group", "aria-label": "Memory over steps", tabindex: 0,
      click: (event) => {
        const value = event.target.closest(".value");
        if (value) select(plan, +value.dataset.i);
      },
    },
    ...this.rects, line(left, floor, left + width, floor, "axis"), line(left, top, left, floor, "axis"),
    line(this.x(peak + 0.5), top, this.x(peak + 0.5), floor, "peak"),
    line(left, this.y(size), left + width, this.y(size), "peak"),
    label(left + 4, this.y(size) - 6, `arena: ${bytes(size)}`, "start"),
    label(this.x(peak + 0.5) + (early ? 5 : -5), top + 14, `peak: step ${peak}`, early ? "start" : "end"),
    ...ticks.map((step) => label(this.x(step), floor + 16, `${step}`)),
    label(left + width / 2, floor + 34, "steps, in order"),
    ...[0, 0.5, 1].map((share) => label(left - 6, this.y(share * most) + 4, short(share * most), "end")));
  },

  update() {
    const marked = new Set(runOf(view.traced).rows);
    for (const rect of this.rects) rect.classList.toggle("chosen", marked.has(+rect.dataset.i));
  },

  // Left and right: the value that is stored before or after.
  key(name) {
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[name];
    if (!turn) return false;
    const order = this.values.map(([i, , , first]) => [first, i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const at = order.findIndex(([, i]) => i === selectedIn(stageNamed("plan")));
    const next = order[at + turn];
    if (next) select(stageNamed("plan"), next[1]);
    return true;
  },
};

const short = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : `${Math.round(n / 1e3)} kB`);

// What each program has, and how many times what the others have: what second order costs.
function comparison() {
  const rows = DATA.programs.map((found) => {
    const stage = found.stages[found.stages.length - 1];
    const sum = (of) => found.parts.reduce((total, part) => total + of(part), 0);
    return [
      found.name, stage.op.length, stage.order.filter((order) => order > 1).length,
      sum((part) => part.kinds.length), sum((part) => part.size),
      sum((part) => part.values.reduce((total, value) => total + value[2], 0)),
    ];
  });
  const titles = ["program", "equations", "of order 2", "steps", "arena bytes", "bytes of values"];
  const cells = (row) => row.map((cell) => make("td", {}, cell.toLocaleString("en")));
  const table = make("table", { id: "costs" },
    make("tr", {}, ...titles.map((title) => make("th", {}, title))),
    ...rows.map((row) => make("tr", {}, ...cells(row))));
  const [name, ...own] = rows[0];
  for (const [other, ...numbers] of rows.slice(1)) {
    const ratios = own.map((n, k) => (numbers[k] ? `${(n / numbers[k]).toFixed(2)} x` : "–"));
    table.append(make("tr", {}, ...cells([`${name} / ${other}`, ...ratios])));
  }
  return table;
}
