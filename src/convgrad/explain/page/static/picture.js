"use strict";
/* A tensor that is too large for numbers: its planes as images on one canvas, with a window of numbers that moves. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  const WIDE = 240;
  const HIGH = 180;
  const WINDOW = 7;
  const GAP = 3;
  /** Pixels from which on a number has room for a minus sign. */
  const SIGNS = 6;
  const OUTLINES = { chosen: "chosen", a: "a", b: "b", c: "c", z: "z" };

  /** The most pixels for a number; those of a canvas for one unit of the text. */
  const MOST = 9;
  const PIXELS = 15;

  const bestAcross = ({ rows, columns, planes }) => {
    let best = 1;
    let least = Infinity;
    for (let across = 1; across <= planes; across += 1) {
      const [wide, high] = [across * columns, Math.ceil(planes / across) * rows];
      const empty = (across * Math.ceil(planes / across)) / planes - 1;
      const unlike = Math.abs(Math.log(wide / high / 1.2)) + (wide > WIDE ? 2 : 0) + 2 * empty;
      if (unlike < least) [best, least] = [across, unlike];
    }
    return best;
  };

  /** How the planes of a tensor lie on a canvas: {across, scale, width, height} in its own pixels, and how large it is
   * shown, {wide, high} in units of the text.
   */
  page.pictureSize = (layout) => {
    const { rows, columns, planes } = layout;
    const across = bestAcross(layout);
    const down = Math.ceil(planes / across);
    const room = Math.min((WIDE - GAP * (across - 1)) / (across * columns), (HIGH - GAP * (down - 1)) / (down * rows));
    const scale = Math.max(1, Math.min(MOST, Math.ceil(room)));
    const width = across * (columns * scale + GAP) - GAP;
    const height = down * (rows * scale + GAP) - GAP;
    const shown = Math.min(1, WIDE / width, HIGH / height) / PIXELS;
    return { across, scale, width, height, wide: width * shown, high: height * shown };
  };

  page.Picture = class {
    constructor(view) {
      this.view = view;
      const { rows, columns } = view.layout;
      Object.assign(this, page.pictureSize(view.layout));
      this.cursor = { plane: 0, row: Math.floor(rows / 2), column: Math.floor(columns / 2) };
      this.marks = null;
      this.canvas = h("canvas", { width: this.width, height: this.height, "aria-hidden": "true" });
      this.canvas.style.setProperty("--wide", this.wide);
      this.frame = h(
        "div",
        { class: "frame", role: "application", tabindex: "0", "aria-roledescription": "image of numbers" },
        this.canvas,
      );
      this.says = h("p", { class: "where" });
      const size = { rows: Math.min(WINDOW, rows), columns: Math.min(WINDOW, columns) };
      this.window = { ...this._corner(size), ...size };
      this.grid = null; // made when it is first shown
      this.zoom = h("div", { class: "zoom", hidden: true }, this.says);
      this.element = h("div", { class: "picture" }, this.frame, this.zoom);
      this.frame.addEventListener("click", (event) => this._clicked(event));
      this.frame.addEventListener("keydown", (event) => this._key(event));
      this._say();
      this.draw();
    }

    _corner(size) {
      const { rows, columns } = this.view.layout;
      const within = (at, width, all) => Math.max(0, Math.min(all - width, at - Math.floor(width / 2)));
      return {
        row: within(this.cursor.row, size.rows, rows),
        column: within(this.cursor.column, size.columns, columns),
      };
    }

    /** Where a plane's upper left corner is. */
    _origin(plane) {
      const { rows, columns } = this.view.layout;
      return [
        (plane % this.across) * (columns * this.scale + GAP),
        Math.floor(plane / this.across) * (rows * this.scale + GAP),
      ];
    }

    /** Where an element is drawn, in the window's coordinates. */
    boxOf(flat, image) {
      const { plane, row, column } = this.view.layout.place(flat);
      const [left, top] = this._origin(plane);
      const box = image || this.canvas.getBoundingClientRect();
      const [across, down] = [box.width / this.width, box.height / this.height];
      return {
        left: box.left + (left + column * this.scale) * across,
        top: box.top + (top + row * this.scale) * down,
        width: this.scale * across,
        height: this.scale * down,
      };
    }

    _clicked(event) {
      const box = this.canvas.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * this.width;
      const y = ((event.clientY - box.top) / box.height) * this.height;
      const { rows, columns, planes } = this.view.layout;
      const across = Math.min(this.across - 1, Math.floor(x / (columns * this.scale + GAP)));
      const plane = Math.floor(y / (rows * this.scale + GAP)) * this.across + across;
      if (plane >= planes || plane < 0) return;
      const [left, top] = this._origin(plane);
      this.show({ plane, row: Math.floor((y - top) / this.scale), column: Math.floor((x - left) / this.scale) });
      this._focusCell();
    }

    _key(event) {
      const { rows, columns, planes } = this.view.layout;
      const { plane, row, column } = this.cursor;
      const moved = {
        ArrowLeft: { column: column - 1 },
        ArrowRight: { column: column + 1 },
        ArrowUp: { row: row - 1 },
        ArrowDown: { row: row + 1 },
        PageUp: { plane: plane - 1 },
        PageDown: { plane: plane + 1 },
        Home: { column: 0 },
        End: { column: columns - 1 },
      }[event.key];
      if (event.key === "Enter" || event.key === " ") {
        this.show(this.cursor);
        this._focusCell();
      } else if (moved) {
        const next = { ...this.cursor, ...moved };
        if (
          next.plane < 0 ||
          next.plane >= planes ||
          next.row < 0 ||
          next.row >= rows ||
          next.column < 0 ||
          next.column >= columns
        )
          return;
        this.show(next);
        const flat = this.view.layout.flat(next.plane, next.row, next.column);
        const cell = this.grid.cells.get(flat);
        if (cell) page.say(cell.getAttribute("aria-label"));
      } else return;
      event.preventDefault();
      event.stopPropagation();
    }

    _focusCell() {
      const { plane, row, column } = this.cursor;
      const cell = this.grid.cells.get(this.view.layout.flat(plane, row, column));
      if (cell) this.grid.focus(cell);
    }

    /** Whether an element's number can be seen in the window. */
    shows(flat) {
      return !this.zoom.hidden && this.grid.cells.has(flat);
    }

    /** The window moves so that a place is in its middle. */
    show(place) {
      const { rows, columns } = this.view.layout;
      this.zoom.hidden = false;
      this.cursor = {
        plane: place.plane,
        row: Math.max(0, Math.min(rows - 1, place.row)),
        column: Math.max(0, Math.min(columns - 1, place.column)),
      };
      this._move(this.cursor.plane, this._corner(this.window));
      this.grid.light(this.marks);
      this._say();
      this.draw();
    }

    _move(plane, corner) {
      if (this.grid) {
        this.grid.move(plane, corner.row, corner.column);
        return;
      }
      Object.assign(this.window, corner);
      this.grid = new page.Grid(this.view, plane, this.window);
      this.zoom.append(this.grid.element);
    }

    _say() {
      const { layout, name } = this.view;
      const { row, column, rows, columns } = this.window;
      const plane = layout.planes > 1 ? `${layout.planeName(this.cursor.plane)}, ` : "";
      const end = layout.flat(0, row + rows - 1, column + columns - 1);
      const part = layout.wrapped
        ? `elements ${layout.flat(0, row, column)}..${Math.min(layout.size - 1, end)}`
        : `rows ${row}..${row + rows - 1}, columns ${column}..${column + columns - 1}`;
      this.says.textContent = plane + part;
      const keys = "Arrow keys move the window of numbers, page keys change the plane, Enter goes to the numbers.";
      this.frame.setAttribute(
        "aria-label",
        `${name}, ${this.view.tensor.shape.join(" by ")}, as an image; the window shows ${plane}${part}. ${keys}`,
      );
    }

    /** Numbers that can't be seen are written when the window is shown again. */
    update() {
      if (!this.zoom.hidden) this.grid.update();
      this.draw();
    }

    light(marks) {
      this.marks = marks;
      if (marks && marks.size) this.show(this._middle(marks));
      else {
        this.zoom.hidden = true;
        this.grid?.light(null);
        this.draw();
      }
    }

    /** The middle of what is lit in the plane of the first mark that counts; of what is chosen, itself. */
    _middle(marks) {
      const { layout } = this.view;
      const places = [...marks]
        .filter(([, mark]) => mark.kind !== "z")
        .map(([flat, mark]) => ({ ...layout.place(flat), kind: mark.kind }));
      const chosen = places.find((place) => place.kind === "chosen");
      if (chosen || !places.length) return chosen || layout.place([...marks.keys()][0]);
      const same = places.filter((place) => place.plane === places[0].plane);
      const middle = (key) =>
        Math.round((Math.min(...same.map((p) => p[key])) + Math.max(...same.map((p) => p[key]))) / 2);
      return { plane: places[0].plane, row: middle("row"), column: middle("column") };
    }

    /** The image, and outlines upon it. */
    draw() {
      const context = this.canvas.getContext("2d");
      this._paint(context);
      context.putImageData(this.image, 0, 0);
      this._outline(context);
    }

    /** A pixel, or some, for each number; again where the numbers or the theme are others. */
    _paint(context) {
      const { layout, scale } = this.view;
      const { values } = this.view.tensor;
      const theme = page.theme();
      if (this.painted?.values === values && this.painted.theme === theme) return;
      this.painted = { values, theme };
      this.image = this.image || context.createImageData(this.width, this.height);
      const pixels = new Uint32Array(this.image.data.buffer);
      const { colors, signs } = page.palette(scale.signed, theme);
      const size = this.scale;
      const signed = size >= SIGNS;
      for (let plane = 0; plane < layout.planes; plane += 1) {
        const [left, top] = this._origin(plane);
        const base = layout.flat(plane, 0, 0);
        const [down, right] = [layout.flat(plane, 1, 0) - base, layout.flat(plane, 0, 1) - base];
        for (let row = 0; row < layout.rows; row += 1) {
          for (let column = 0; column < layout.columns; column += 1) {
            const flat = base + row * down + column * right;
            if (flat >= layout.size) continue;
            const shade = page.shade(values[flat], scale.high);
            const start = (top + row * size) * this.width + left + column * size;
            for (let y = 0; y < size; y += 1)
              pixels.fill(colors[shade], start + y * this.width, start + y * this.width + size);
            if (signed && values[flat] < 0) {
              // a minus sign, for those who can't tell the colours apart
              const middle = start + Math.floor(size / 2) * this.width + 1;
              pixels.fill(signs[shade], middle, middle + size - 2);
            }
          }
        }
      }
    }

    _outline(context) {
      if (this.view.app.motion?.score) return; // while a tensor is played, only what it reads is lit
      const { layout } = this.view;
      const box = (plane, row, column, rows, columns, color, width) => {
        const [left, top] = this._origin(plane);
        context.strokeStyle = page.ink(color);
        context.lineWidth = width;
        context.strokeRect(
          left + column * this.scale + 0.5,
          top + row * this.scale + 0.5,
          columns * this.scale - 1,
          rows * this.scale - 1,
        );
      };
      for (const [flat, mark] of this.marks || []) {
        if (mark.kind === "z") continue;
        const { plane, row, column } = layout.place(flat);
        box(plane, row, column, 1, 1, `--mark-${OUTLINES[mark.kind]}`, mark.kind === "chosen" ? 2 : 1);
      }
      const { row, column, rows, columns } = this.window;
      if (!this.zoom.hidden && (rows < layout.rows || columns < layout.columns || layout.planes > 1))
        box(this.grid.plane, row, column, rows, columns, "--ink", 1.5);
    }
  };
})();
