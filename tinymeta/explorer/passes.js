// One pass after another: the equations after it, those it made marked new, those it took out
// listed below. Behind the passes come the steps that are run, each beside its generated kernel.

const passes = {
  title: "Passes",
  step: null, // {part, step}: whose kernel is shown

  show(main) {
    this.last = stages().length; // the position of the steps
    this.position = Math.min(this.position ?? view.stage, this.last);
    this.slider = make("input", {
      id: "slider", type: "range", min: 0, max: this.last, value: this.position,
      "aria-label": "Pass", input: () => this.go(+this.slider.value),
    });
    this.caption = make("span");
    this.list = make("div", { class: "list", tabindex: 0, "aria-label": "Equations" });
    this.source = make("div", { class: "source", tabindex: 0, "aria-label": "Kernel" });
    this.columns = make("div", { class: "columns" });
    this.list.addEventListener("click", (event) => this.click(event.target));
    main.append(make("div", { class: "tools" }, this.slider, this.caption), this.columns);
    this.go(this.position);
  },

  go(position) {
    this.position = position;
    this.slider.value = position;
    const steps = position === this.last;
    view.stage = Math.min(position, this.last - 1);
    this.stage = stages()[view.stage];
    this.columns.className = steps ? "columns two" : "columns";
    this.columns.replaceChildren(this.list, ...(steps ? [this.source] : []));
    if (steps) this.showSteps();
    else this.showEquations();
    this.update();
    this.reveal();
  },

  // ---- the equations after a pass, and what it changed ----

  showEquations() {
    const stage = this.stage, before = stages()[view.stage - 1];
    const { kept, gone } = before ? difference(before, stage) : { kept: null, gone: [] };
    const groups = stage.lanes.map((scope) => make("div", { class: "group" }, make("h3", {}, scope)));
    let made = 0;
    for (let i = 0; i < count(stage); i++) {
      const fresh = kept !== null && !kept.has(i);
      made += fresh;
      groups[stage.lane[i]].append(this.row(stage, i, fresh ? "new" : ""));
    }
    stage.lanes.forEach((_, lane) => {
      const title = groups[lane].firstChild;
      title.append(`: ${many(groups[lane].children.length - 1, "equation")}`);
    });
    const removed = make("div", { class: "group" });
    if (gone.length) {
      removed.append(make("h3", {}, `gone since ${before.name}: ${many(gone.length, "equation")}`));
      gone.forEach((i) => removed.append(this.row(before, i, "gone")));
    }
    this.list.replaceChildren(...groups, removed);
    const changes = before ? `; ${made} new, ${gone.length} gone` : "";
    const note = stage.note ? ` (${stage.note})` : "";
    this.caption.textContent = `after ${stage.name}: ${many(count(stage), "equation")}${changes}${note}`;
  },

  row(stage, i, state) {
    return make("div", { class: `row ${state}`, "data-stage": stage.name, "data-i": i },
      make("span", { class: "sign" }, { new: "+", gone: "−" }[state] ?? ""),
      make("span", { class: `swatch o${Math.min(stage.order[i], 3)}` }),
      equationText(stage, i),
      make("span", { class: "type" }, `${typeOf(stage, i)}  ${text(stage.at[i])}`));
  },

  // ---- the steps ----

  showSteps() {
    const plan = stageNamed("plan"), groups = [];
    let total = 0;
    const here = new Map(); // by part and step: its equations
    plan.steps.forEach((steps, i) => steps.forEach((step) => {
      const key = `${plan.part[i]}/${step}`;
      here.set(key, [...(here.get(key) ?? []), i]);
    }));
    program().parts.forEach((part, p) => {
      total += part.kinds.length;
      part.kinds.forEach((_, step) => {
        const rows = (here.get(`${p}/${step}`) ?? []).map((i) => this.row(plan, i, ""));
        const title = make("div", { class: "step", "data-part": p, "data-step": step }, stepText(p, step));
        groups.push(make("div", { class: "group" }, title, ...rows));
      });
    });
    this.list.replaceChildren(...groups);
    const kernels = many(program().kernels.length, "generated kernel");
    this.caption.textContent = `kernels: ${many(total, "step")}, ${kernels}`;
    this.showSource();
  },

  showSource() {
    const chosen = this.step ?? runOf(view.traced).steps[0];
    const hint = make("p", { class: "soft" }, "Choose a step to see its kernel.");
    if (!chosen) return this.source.replaceChildren(hint);
    const part = program().parts[chosen.part], kernels = part.kernels[chosen.step];
    const none = `run by ${part.kinds[chosen.step]}, which need no generated kernel`;
    this.source.replaceChildren(
      make("h3", {}, stepText(chosen.part, chosen.step)),
      ...kernels.map((k) => make("pre", {}, program().kernels[k])),
      ...(kernels.length ? [] : [make("p", {}, none)]),
      make("p", { class: "soft" }, `reads ${operandNames(part.reads[chosen.step])}`),
      make("p", { class: "soft" }, `stores ${operandNames(part.stores[chosen.step])}`));
    for (const title of this.list.querySelectorAll(".step")) {
      const { part: p, step } = title.dataset;
      title.classList.toggle("chosen", +p === chosen.part && +step === chosen.step);
    }
  },

  // ---- selection ----

  click(target) {
    const row = target.closest(".row"), step = target.closest(".step");
    const title = step ?? row?.parentNode.querySelector(".step");
    this.step = title ? { part: +title.dataset.part, step: +title.dataset.step } : null;
    if (row) select(stageNamed(row.dataset.stage), +row.dataset.i);
    else if (step) this.showSource();
  },

  update() {
    this.search();
    const steps = this.position === this.last; // where a view is found in what it rearranges
    const marked = new Map(stages().map((stage) => [stage.name, highlighted(stage)]));
    if (steps) runOf(view.traced).rows.forEach((i) => marked.get("plan").add(i));
    for (const row of this.list.querySelectorAll(".row")) {
      row.classList.toggle("chosen", marked.get(row.dataset.stage).has(+row.dataset.i));
    }
    if (steps) this.showSource();
  },

  reveal() {
    const first = this.list.querySelector(".row.chosen:not(.gone)") ?? this.list.querySelector(".chosen");
    if (first) first.scrollIntoView({ block: "center" });
    else this.list.scrollTop = 0;
  },

  search() {
    const some = view.query ? new Set(found(this.stage)) : null;
    this.list.classList.toggle("searching", some !== null);
    for (const row of this.list.querySelectorAll(".row")) {
      const here = row.dataset.stage === this.stage.name;
      row.classList.toggle("match", here && some !== null && some.has(+row.dataset.i));
    }
  },

  key(name) {
    const at = selectedIn(this.stage);
    const next = { ArrowUp: at - 1, ArrowDown: at + 1 }[name];
    if (next === undefined || next < 0 || next >= count(this.stage)) return false;
    this.step = null;
    select(this.stage, next);
    this.reveal();
    return true;
  },
};

// What a pass kept and what is gone: kept are equations of one operation and type that stand for
// the same traced ones; where two became one, one of them is gone.
function difference(before, after) {
  const key = (stage, i) => `${text(stage.op[i])} ${text(stage.static[i])} ${typeOf(stage, i)}`;
  const old = new Map(); // by key and traced equation: equations before, in order
  for (let i = 0; i < count(before); i++) {
    for (const t of descent(before, i)) {
      const place = `${key(before, i)} ${t}`;
      old.set(place, [...(old.get(place) ?? []), i]);
    }
  }
  const kept = new Set(), used = new Set();
  for (let i = 0; i < count(after); i++) {
    const candidates = descent(after, i).flatMap((t) => old.get(`${key(after, i)} ${t}`) ?? []);
    const same = candidates.find((k) => !used.has(k));
    if (same === undefined) continue;
    kept.add(i);
    used.add(same);
  }
  return { kept, gone: places(before).filter((k) => !used.has(k)) };
}

function stepText(p, step) {
  const part = program().parts[p], seconds = part.seconds[step];
  const where = program().parts.length > 1 ? `${part.name} ` : "";
  const kernels = part.kernels[step].map((k) => `, kernel ${k}`).join("");
  const time = seconds === undefined ? "" : `, ${(1e6 * seconds).toFixed(1)} µs`;
  return `${where}step ${step}: ${part.kinds[step]}${kernels}${time}`;
}

function operandNames(places) {
  const plan = stageNamed("plan");
  return places.map((i) => `${nameOf(plan, i)} ${typeOf(plan, i)}`).join(", ") || "nothing";
}
