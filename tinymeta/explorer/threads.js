// How the program is run: whole, or its tasks in chunks, the chunks in groups that threads take;
// what its steps are, by kind, with their times if they were measured; on a GPU its launches.

const threads = {
  title: "Threads",

  show(main) {
    const { how, where, chunks, groups, threads: workers } = program().run;
    main.append(make("div", { class: "text" },
      make("p", {}, make("b", {}, `runs ${where}: ${how}`)),
      ...program().summary.split("\n").map((line) => make("p", { class: "soft" }, line))));
    if (chunks.length) {
      main.append(make("div", { class: "text" }, make("p", {},
        `A chunk is some of the tasks. ${many(workers, "thread")} take the ${many(groups.length, "group")} ` +
        "below, whichever is free the next; each runs the whole program for a chunk before it takes " +
        "another. Sums over the tasks are added along one binary tree whose leaves are the chunks, " +
        "so the bits of a result depend on no thread.")));
      const boxes = groups.map((sizes, g) => make("div", { class: "taken" },
        make("div", { class: "soft" }, `group ${g}`),
        ...sizes.map((size) => make("span", { class: "chunk" }, size ? many(size, "task") : "empty"))));
      main.append(make("div", { class: "groups" }, ...boxes));
    }
    program().parts.forEach((part, p) => main.append(this.kinds(part), this.launches(part, p)));
  },

  kinds(part) {
    const kinds = new Map();
    part.kinds.forEach((kind, step) => {
      const row = kinds.get(kind) ?? { steps: 0, seconds: 0 };
      row.steps += 1;
      row.seconds += part.seconds[step] ?? 0;
      kinds.set(kind, row);
    });
    const timed = part.seconds.length > 0;
    const most = Math.max(...[...kinds.values()].map((row) => (timed ? row.seconds : row.steps)));
    const rows = [...kinds].map(([kind, row]) => make("tr", {},
      make("td", {}, kind), make("td", {}, row.steps),
      make("td", {}, timed ? `${(1e3 * row.seconds).toFixed(3)} ms` : ""),
      make("td", {}, make("span", {
        class: "bar", style: `width: ${Math.round((160 * (timed ? row.seconds : row.steps)) / most)}px`,
      }))));
    const head = ["kind of step", "steps", timed ? "time" : "", timed ? "share of time" : "share of steps"];
    return make("div", {},
      make("h3", { class: "text" }, `${part.name}: ${many(part.kinds.length, "step")}, arena ${bytes(part.size)}`),
      make("table", { class: "kinds" }, make("tr", {}, ...head.map((title) => make("th", {}, title))), ...rows));
  },

  // On a GPU: each launch, in order.
  launches(part, p) {
    if (!part.launches.length) return "";
    const head = ["launch", "step", "blocks", "threads in each", "bytes", "kernel"];
    const rows = part.launches.map(([step, kernel, grid, block, n], k) => make("tr", { class: "launch" },
      ...[k, stepLink({ part: p, step }, step), text(grid), text(block), n.toLocaleString("en"), text(kernel)]
        .map((cell) => make("td", {}, cell))));
    return make("div", { class: "wide" }, make("h3", { class: "text" }, many(rows.length, "launch", "launches")),
      make("table", { class: "kinds" }, make("tr", {}, ...head.map((title) => make("th", {}, title))), ...rows));
  },

  key: () => false,
};
