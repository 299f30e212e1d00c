"use strict";
/* The network from left to right: a block for each layer, with lanes for weights, results, deltas and gradients. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  page.LENSES = {
    forward: {
      title: "Forward",
      lanes: { parameters: "weights", results: "forward \u2192" },
      says: "What the network computes, layer by layer, from left to right.",
    },
    backward: {
      title: "Backward",
      lanes: { parameters: "weights", results: "forward \u2192", deltas: "\u2190 deltas", gradients: "gradients" },
      says: "How fast the loss grows with each number, or falls (minus), from right to left.",
    },
    update: {
      title: "Update",
      lanes: { parameters: "weights", gradients: "gradients", updated: "updated" },
      says: "One step of gradient descent: each weight minus the learning rate times its gradient.",
      remembers: "One step of the optimizer: from weights, gradients and what it remembers to updated weights.",
    },
  };
  /** A network with more cells than this is drawn where it is seen, and after that so many screens to its left and right. */
  const LARGE = 2000;
  const OF_IMAGE = 500;
  const AHEAD = 1;
  /** So many blocks that are seen no longer stay as they are. */
  const KEPT = 24;
  const ORDER = ["parameters", "results", "deltas", "gradients", "updated"];

  /** Which lane a tensor lies in. */
  const laneOf = (tensor) => {
    if (tensor.lens === "update") return "updated";
    if (tensor.role === "parameter" || tensor.role === "state") return "parameters";
    if (tensor.role === "gradient") return "gradients";
    return tensor.lens === "backward" ? "deltas" : "results";
  };

  page.Network = class {
    constructor(app, section) {
      this.app = app;
      this.section = section;
      this.lines = page.svg("svg", { class: "lines", "aria-hidden": "true" });
      this.flow = h("div", { class: "flow" });
      this.section.replaceChildren(this.flow);
      this._listen();
    }

    /** Blocks of a new network. */
    open() {
      const { trace } = this.app;
      this.views = new Map();
      this.heads = new Map(); // of blocks, made once for all lenses
      this.standing = new Map(); // all blocks, of which a lens shows some
      this.seen = []; // the blocks that were seen when last it was looked
      this.middle = 0;
      this.lane = new Map(trace.names.map((name) => [name, laneOf(trace.tensor(name))]));
      this.blockOf = new Map(trace.names.map((name) => [name, trace.tensor(name).block]));
      this.lens = null;
      const cells = trace.names.map((name) => Math.min(trace.tensor(name).size, OF_IMAGE));
      this.large = cells.reduce((sum, size) => sum + size, 0) > LARGE;
    }

    /** Whether cells show all digits. */
    allDigits = false;

    /** Where the middle of what is seen lies, as a part of all; at the beginning one stays there. To ask for it lays
     * everything out, so `middle` keeps it from one scrolling to the next. */
    get seenMiddle() {
      const { scrollLeft, clientWidth, scrollWidth } = this.section;
      if (!scrollLeft) return 0;
      return (scrollLeft + clientWidth / 2) / scrollWidth;
    }

    shows(name, lens = this.lens) {
      const lane = this.lane.get(name);
      return lane in page.LENSES[lens].lanes || (lens === "update" && this.blockOf.get(name) === "step");
    }

    /** Draws the tensors of a lens; views that are there stay as they are. */
    look(lens) {
      if (this.lens === lens) return;
      this.lens = lens;
      const lanes = ORDER.filter((lane) => lane in page.LENSES[lens].lanes);
      this.flow.dataset.lens = lens;
      this.flow.style.setProperty("--lanes", lanes.length + 1);
      const labels = lanes.map((lane) => h("div", { class: `lane-label ${lane}` }, page.LENSES[lens].lanes[lane]));
      this.blocks = this._blocks(lens, lanes);
      const label = h("div", { class: "labels", "aria-hidden": "true" }, h("div", {}), labels);
      page.arrange(this.flow, [label, ...[...this.blocks.values()].map(({ element }) => element), this.lines]);
      this._makeRoom(lanes.length);
      // Else once it is known how large it is drawn (fit.js): empty blocks are quick to lay out.
      if (!this.large) this.fill();
      else if (this.app.fit.knows(lens)) this._fill(this.seen.filter((block) => this.blocks.has(block.name)));
      this.app.light();
    }

    /** Blocks without tensors are left out, but layers in forward and backward passes. What was seen stays where it is. */
    _blocks(lens, lanes) {
      const { trace, layers } = this.app;
      const names = new Map();
      for (const name of trace.names) {
        const block = this.blockOf.get(name);
        if (!names.has(block)) names.set(block, []);
        if (this.shows(name)) names.get(block).push(name);
      }
      const stays = new Set(!this.large || this.app.fit.knows(lens) ? this.seen : []);
      const found = new Map();
      for (const block of [...(lens === "update" ? ["step"] : []), "input", ...layers.keys(), "loss"]) {
        const own = names.get(block) ?? [];
        if (!own.length && (!layers.has(block) || lens === "update")) continue;
        const inLane = (lane) => (name) => this.lane.get(name) === lane || (block === "step" && lane === "updated");
        if (!this.standing.has(block)) this.standing.set(block, new page.Block(this.app, block));
        found.set(block, this.standing.get(block));
        const rows = lanes.map((lane) => [lane, own.filter(inLane(lane))]);
        found.get(block).stand(lens, rows, stays.has(found.get(block)));
      }
      return found;
    }

    /** A large network: blocks get their room before they are drawn, so that nothing moves when they are. */
    _makeRoom(lanes) {
      this.flow.style.removeProperty("grid-template-rows");
      if (!this.large) return;
      const most = Array(lanes + 1).fill(0);
      for (const block of this.blocks.values()) {
        const { wide, high } = block.room;
        block.element.style.minWidth = `calc(${wide.toFixed(2)} * var(--u))`;
        high.forEach((own, n) => (most[n] = Math.max(most[n], own)));
      }
      const rows = most.map((own) => `minmax(calc(${own.toFixed(2)} * var(--u)), auto)`);
      this.flow.style.gridTemplateRows = rows.join(" ");
    }

    /** Draws what is seen, and when nothing else is to be done what is near; of a small network everything. */
    fill() {
      if (!this.blocks) return;
      this.seen = this._near(0);
      if (!this.large) this._fill(this.seen);
      else if (this.seen.some(({ full }) => !full)) this._holding(this.seen, () => this._fill(this.seen));
      this._goOn();
    }

    /** When nothing else is to be done: what is near is drawn, one block in a frame, which also lays it out, and drawn anew. */
    _goOn() {
      if (!this.large || this.later) return;
      this.later = true;
      page.whenIdle((hasTime) => {
        this.later = false;
        if (this._more(hasTime)) this._goOn();
      });
    }

    /** Something of what is left to do; whether there is more. */
    _more(hasTime) {
      const near = this._near(AHEAD);
      const full = [...this.blocks.values()].filter((block) => block.full && !near.includes(block));
      if (full.length > KEPT) for (const block of full) block.empty();
      const empty = near.find((block) => !block.full);
      if (empty) {
        this._holding(this._near(0), () => this._fill([empty]));
        return true;
      }
      const old = [...(this.stale ?? [])].filter((name) => this.drawn(name));
      while (old.length) {
        this.view(old.shift());
        if (!hasTime()) break;
      }
      return old.length > 0;
    }

    /** What is seen stays where it is, whatever grows to the left of it; and the end stays the end. */
    _holding([seen], act) {
      const { section } = this;
      const before = seen?.element.offsetLeft;
      const atEnd = section.scrollLeft > 0 && section.scrollLeft + section.clientWidth >= section.scrollWidth - 1;
      act();
      if (atEnd) section.scrollLeft = section.scrollWidth;
      else if (seen && seen.element.offsetLeft !== before) section.scrollLeft += seen.element.offsetLeft - before;
    }

    /** The blocks that are seen, and those so many screens away. */
    _near(ahead) {
      const { scrollLeft, clientWidth } = this.section;
      const [from, to] = [scrollLeft - clientWidth * ahead, scrollLeft + clientWidth * (1 + ahead)];
      const far = (box) => box.offsetLeft > to || box.offsetLeft + box.offsetWidth < from;
      const blocks = [...this.blocks.values()];
      return this.large ? blocks.filter(({ element }) => !far(element)) : blocks;
    }

    /** Everything at once, near or far, for paper or a picture. */
    drawAll() {
      const filled = [...this.blocks.values()].filter((block) => block.fill((name) => this.view(name)));
      for (const name of this.stale ?? []) if (this.drawn(name)) this.view(name);
      this._lightBlocks(filled);
    }

    _fill(blocks) {
      const filled = blocks.filter((block) => block.fill((name) => this.view(name)));
      if (filled.length) this._lightBlocks(filled);
    }

    _lightBlocks(blocks) {
      for (const { lanes } of blocks)
        for (const name of lanes.flatMap(({ names }) => names)) this.view(name).light(this.lit?.get(name) || null);
      this.drawLines();
    }

    /** Whether a tensor's numbers are on the page now. */
    drawn(name) {
      return this.shows(name) && Boolean(this.blocks.get(this.blockOf.get(name))?.full);
    }

    /** The view of a tensor, made when it is first seen. */
    view(name) {
      if (!this.views.has(name)) this.views.set(name, new page.TensorView(this.app, name));
      else if (this.stale && this.stale.has(name)) this.views.get(name).update();
      if (this.stale) this.stale.delete(name);
      return this.views.get(name);
    }

    /** After a change: what is seen is drawn anew, what is near when there is time, the rest when it is seen again. */
    update() {
      this.stale = new Set(this.views.keys());
      const names = this._near(0).flatMap(({ lanes }) => lanes.flatMap((lane) => lane.names));
      for (const name of names) if (this.views.has(name) && this.drawn(name)) this.view(name);
      this._goOn();
    }

    repaint() {
      this.update();
      this.drawLines();
      this.app.tell("painted");
    }

    /** marks: tensor -> flat -> {kind, badge}. */
    light(marks) {
      this.lit = marks;
      for (const [name, view] of this.views) if (this.drawn(name)) view.light(marks ? marks.get(name) || null : null);
      this.drawLines();
    }

    /** Curves from the cells that are lit to the one that is chosen. */
    drawLines() {
      if (this.lit || this.lines.firstChild) page.soon("lines", () => this._drawLines());
    }

    _drawLines() {
      const curves = this.lit ? page.curves(this.lit, this.flow, (name, flat) => this.cellOf(name, flat)) : [];
      const crossed = curves.length ? this._between([...this.lit.keys()]).map((name) => this.views.get(name).element) : [];
      this.lines.replaceChildren(...(curves.length ? page.faintOver(curves, crossed, this.flow) : []));
    }

    /** The tensors that are drawn, from the first to the last block of these. */
    _between(names) {
      const blocks = [...this.blocks.values()];
      const places = names.map((name) => blocks.indexOf(this.blocks.get(this.blockOf.get(name)))).filter((n) => n >= 0);
      const between = blocks.slice(Math.min(...places), Math.max(...places) + 1);
      return between.flatMap(({ lanes }) => lanes.flatMap((lane) => lane.names)).filter((name) => this.views.has(name));
    }

    /** The cell of an element where it can be seen now, else null. */
    cellOf(name, flat, reveal = false) {
      return this.views.has(name) && this.drawn(name) ? this.view(name).cell(flat, reveal) : null;
    }

    /** The cells that marks light, those of terms that are 0 left out. */
    cellsOf(marks) {
      const lit = [...(marks || [])].flatMap(([name, own]) => [...own].map(([flat, { kind }]) => [name, flat, kind]));
      return lit.map(([name, flat, kind]) => (kind === "z" ? null : this.cellOf(name, flat))).filter(Boolean);
    }

    /** What is lit comes into view where it all fits. */
    revealAll() {
      const cells = this.cellsOf(this.lit).map((cell) => cell.getBoundingClientRect());
      if (!cells.length) return;
      const room = this.section.getBoundingClientRect();
      const shift = (low, high, from, to) =>
        high - low > to - from - 60 ? 0 : low < from + 30 ? low - from - 30 : high > to - 30 ? high - to + 30 : 0;
      const left = shift(
        Math.min(...cells.map((box) => box.left)),
        Math.max(...cells.map((box) => box.right)),
        room.left,
        room.right,
      );
      const top = shift(
        Math.min(...cells.map((box) => box.top)),
        Math.max(...cells.map((box) => box.bottom)),
        room.top,
        room.bottom,
      );
      this.section.scrollBy(left, top);
    }

    reveal(name, flat, focus = false) {
      const block = this.blocks.get(this.blockOf.get(name));
      if (block && block.fill((own) => this.view(own))) this._lightBlocks([block]);
      const cell = this.cellOf(name, flat, true);
      if (!cell) return;
      if (focus) this.views.get(name).gridOf(flat).focus(cell);
      const intoView = () => page.bringIntoView(cell);
      intoView();
      if (!this.large) return;
      this.fill();
      intoView(); // what is drawn to the left of it may need more room than it was given
    }

    _listen() {
      const cellOf = (event) => event.target.closest && event.target.closest(".cell[data-tensor]");
      this.section.addEventListener("click", (event) => {
        const cell = cellOf(event);
        if (!cell || event.target.closest("input")) return;
        this._gridOf(cell).focus(cell);
        this.app.explain(cell.dataset.tensor, Number(cell.dataset.flat));
      });
      this.section.addEventListener("dblclick", (event) => {
        const cell = cellOf(event);
        if (!cell || event.target.closest("input")) return;
        this.app.takeBack(cell.dataset.tensor, Number(cell.dataset.flat));
        this.app.edit.begin(cell);
      });
      this.section.addEventListener("keydown", (event) => {
        const cell = cellOf(event);
        if (cell && event.target === cell) this._key(event, cell);
      });
      new ResizeObserver(() => this.drawLines()).observe(this.flow);
      this.section.addEventListener("scroll", () => this._scrolled(), { passive: true });
    }

    _scrolled() {
      this.middle = this.seenMiddle;
      if (!this.large || this.pending) return;
      this.pending = requestAnimationFrame(() => {
        this.pending = 0;
        this.fill();
      });
    }

    _gridOf(cell) {
      return this.views.get(cell.dataset.tensor).gridOf(Number(cell.dataset.flat));
    }

    _key(event, cell) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const view = this.views.get(cell.dataset.tensor);
      const flat = Number(cell.dataset.flat);
      if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key))
        this._walk(event.key, cell, view, flat);
      else if ((event.key === "PageUp" || event.key === "PageDown") && view.layout.planes > 1)
        this._turn(event.key === "PageDown" ? 1 : -1, view, flat);
      else if (event.key === "Enter" || event.key === " ") {
        if (this.app.isChosen(view.name, flat)) this.app.panel.focusSources();
        else this.app.explain(view.name, flat);
      } else if (event.key === "F2") this.app.edit.begin(cell);
      else if (/^[-+.,0-9]$/.test(event.key)) this.app.edit.begin(cell, event.key);
      else if (event.key === "Backspace" || event.key === "Escape") this.app.back();
      else return;
      event.preventDefault();
    }

    _walk(key, cell, view, flat) {
      const grid = view.gridOf(flat);
      const next = grid.neighbour(cell, key);
      if (next) {
        grid.focus(next);
        return;
      }
      if (!view.layout.image || !key.startsWith("Arrow")) return;
      const place = view.layout.place(flat);
      const [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
      this._goTo(view, { plane: place.plane, row: place.row + down, column: place.column + right });
    }

    _turn(by, view, flat) {
      const place = view.layout.place(flat);
      this._goTo(view, { ...place, plane: place.plane + by });
    }

    _goTo(view, { plane, row, column }) {
      const { rows, columns, planes, size } = view.layout;
      if (plane < 0 || plane >= planes || row < 0 || row >= rows || column < 0 || column >= columns) return;
      const flat = view.layout.flat(plane, row, column);
      if (flat >= size) return;
      const cell = view.cell(flat, true);
      if (cell) view.gridOf(flat) ? view.gridOf(flat).focus(cell) : null;
      else if (view.layout.together) view.parts[plane].focus(view.parts[plane].cells.get(flat));
    }
  };
})();
