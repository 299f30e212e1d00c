"use strict";
/* A plane of a tensor, or a window of it, as cells with numbers: an ARIA grid with one cell in the order of tabs. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  page.Grid = class {
    /** view: the tensor's; window: {row, column, rows, columns}, the part that is shown. */
    constructor(view, plane, window) {
      this.view = view;
      this.cells = new Map();
      this.lit = new Set(); // cells with a mark
      this.plane = plane;
      this.window = window || { row: 0, column: 0, rows: view.layout.rows, columns: view.layout.columns };
      this.element = h("div", { class: "grid", role: "grid" });
      this.element.style.setProperty("--columns", this.window.columns);
      this._build();
    }

    /** The part that is shown may move; the cells stay and get other places. */
    move(plane, row, column) {
      this.plane = plane;
      Object.assign(this.window, { row, column });
      this.cells.clear();
      this._each((cell, r, c) => this._place(cell, r, c));
      this._name();
      this.update();
    }

    _build() {
      const { rows, columns } = this.window;
      const headed = rows * columns > 1 && !this.view.layout.wrapped;
      this.columnHeads = [];
      this.rowHeads = [];
      this.order = [];
      const head = (heads) => {
        const element = h("span", { class: "head", "aria-hidden": "true" });
        heads.push(element);
        return element;
      };
      if (headed && columns > 1) {
        this.element.append(h("span", { class: "head corner", "aria-hidden": "true" }));
        for (let c = 0; c < columns; c += 1) this.element.append(head(this.columnHeads));
      }
      for (let r = 0; r < rows; r += 1) {
        const row = h("div", { class: "row", role: "row" });
        row.append(headed && rows > 1 ? head(this.rowHeads) : h("span", { class: "head", "aria-hidden": "true" }));
        for (let c = 0; c < columns; c += 1) {
          const shown = h("span", { "aria-hidden": "true" }); // the whole number is read aloud
          const cell = h("div", { class: "cell", role: "gridcell", tabindex: "-1" }, shown);
          cell.shown = shown;
          this.order.push(cell);
          this._place(cell, r, c);
          row.append(cell);
        }
        this.element.append(row);
      }
      this._name();
      this.update();
      const first = this.order.find((cell) => !cell.hidden);
      if (first) first.tabIndex = 0;
    }

    _each(act) {
      this.order.forEach((cell, n) => act(cell, Math.floor(n / this.window.columns), n % this.window.columns));
    }

    _place(cell, r, c) {
      const { layout, name } = this.view;
      const flat = layout.flat(this.plane, this.window.row + r, this.window.column + c);
      cell.hidden = flat >= layout.size;
      cell.dataset.tensor = name;
      cell.dataset.flat = flat;
      cell.setAttribute("aria-rowindex", this.window.row + r + 1);
      cell.setAttribute("aria-colindex", this.window.column + c + 1);
      if (!cell.hidden) this.cells.set(flat, cell);
    }

    _name() {
      const { layout, name } = this.view;
      const plane = layout.planes > 1 ? `, ${layout.planeName(this.plane)}` : "";
      this.element.setAttribute("aria-label", name + plane);
      this.element.setAttribute("aria-rowcount", layout.rows);
      this.element.setAttribute("aria-colcount", layout.columns);
      this.columnHeads.forEach((head, n) => (head.textContent = this.window.column + n));
      this.rowHeads.forEach((head, n) => (head.textContent = this.window.row + n));
    }

    /** Writes the numbers that have changed. */
    update() {
      const { tensor, layout, scale, app } = this.view;
      const theme = page.theme();
      const how = `${scale.high} ${theme} ${tensor.pinned} ${app.network.allDigits} ${this.view.digits.decimals}`;
      const { values } = tensor;
      for (const [flat, cell] of this.cells) {
        const value = values[flat];
        const key = `${value} ${flat} ${how}`;
        if (cell.seen === key) continue;
        const written = app.trace.written(tensor.name, value);
        const color = page.color(value, scale, theme);
        const shown = this.view.textOf(value);
        const cut = this.view.isCut(value) ? `, shown as ${shown}` : "";
        cell.shown.textContent = shown;
        cell.style.backgroundColor = page.rgb(color);
        cell.style.color = page.rgb(page.textOn(color, theme));
        cell.setAttribute(
          "aria-label",
          `${page.spokenName(tensor, layout, flat)}, ${written}${tensor.pinned ? ", pinned" : ""}${cut}`,
        );
        cell.classList.toggle("changed", cell.seen !== undefined && cell.seenValue !== value && cell.seenFlat === flat);
        cell.seen = key;
        cell.seenValue = value;
        cell.seenFlat = flat;
      }
    }

    /** marks: flat -> {kind, badge}; kinds are classes in the style. Only cells that are lit, or were, are touched. */
    light(marks) {
      const lit = new Set();
      const put = (flat, mark) => {
        const cell = mark && this.cells.get(flat);
        if (cell) this._mark(cell, mark.kind, mark.badge || "");
        if (cell) lit.add(cell);
      };
      if (marks && marks.size < this.cells.size) for (const [flat, mark] of marks) put(flat, mark);
      else if (marks) for (const flat of this.cells.keys()) put(flat, marks.get(flat));
      for (const cell of this.lit) if (!lit.has(cell)) this._mark(cell, "", "");
      this.lit = lit;
    }

    _mark(cell, kind, badge) {
      if ((cell.dataset.mark || "") !== kind) cell.dataset.mark = kind;
      if ((cell.dataset.badge || "") !== badge) cell.dataset.badge = badge;
      if (kind === "chosen") cell.setAttribute("aria-selected", "true");
      else if (cell.hasAttribute("aria-selected")) cell.removeAttribute("aria-selected");
    }

    /** The cell for an arrow key, or null at the border. */
    neighbour(cell, key) {
      const n = this.order.indexOf(cell);
      const { columns } = this.window;
      const [row, column] = [Math.floor(n / columns), n % columns];
      const rows = this.order.length / columns;
      const [r, c] = {
        ArrowLeft: [row, column - 1],
        ArrowRight: [row, column + 1],
        ArrowUp: [row - 1, column],
        ArrowDown: [row + 1, column],
        Home: [row, 0],
        End: [row, columns - 1],
      }[key];
      if (r < 0 || c < 0 || r >= rows || c >= columns) return null;
      const found = this.order[r * columns + c];
      return found.hidden ? null : found;
    }

    /** Focus goes to a cell, which then is the one in the order of tabs. */
    focus(cell) {
      for (const other of this.order) if (other.tabIndex === 0 && other !== cell) other.tabIndex = -1;
      cell.tabIndex = 0;
      cell.focus({ preventScroll: false });
    }
  };
})();
