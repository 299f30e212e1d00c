"use strict";
/* A tensor in the network: its name, its marks, its planes as grids, tabs or an image. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  page.TensorView = class {
    constructor(app, name) {
      this.app = app;
      this.name = name;
      this.tensor = app.trace.tensor(name);
      this.layout = page.layout(this.tensor, app.batched);
      this.digits = new page.Digits(this.tensor);
      this._measure();
      this.seen = this._shown;
      this.marks = null;
      this.pin = h("span", { class: "pin" });
      this.body = h("div", { class: "planes" });
      const shape = this.tensor.shape.length ? this.tensor.shape.join("\u00d7") : "number";
      const words = [h("span", { class: "tensor-name" }, name), h("span", { class: "shape" }, shape)];
      const title = h("h3", {}, words, this.pin);
      this.element = h("div", { class: `tensor ${this.tensor.role}`, "data-name": name }, title, this.body);
      this._build();
      this._pinned();
    }

    _measure() {
      this.scale = page.scale(this.tensor);
      this.digits.fit(this.scale.high);
    }

    /** A number as a cell shows it. */
    textOf(value) {
      const text = this.digits.text(value, this.app.network.allDigits);
      return page.typeset(text, this.scale.signed && this.tensor.lens === "backward");
    }

    /** Whether a cell shows fewer digits of a number than there are. */
    isCut(value) {
      return this.digits.text(value, this.app.network.allDigits) !== this.tensor.written(value);
    }

    _build() {
      const { layout } = this;
      if (layout.image) {
        this.parts = [new page.Picture(this)];
        this.body.append(this.parts[0].element);
        return;
      }
      this.parts = Array.from({ length: layout.planes }, (_, plane) =>
        layout.together || plane === 0 ? new page.Grid(this, plane) : null,
      );
      this.body.classList.toggle("tabbed", !layout.together);
      this.body.classList.toggle("square", layout.together && layout.planes > 2);
      if (!layout.together) {
        this._tabs();
        return;
      }
      this.parts.forEach((grid, plane) => {
        const label = layout.planes > 1 ? h("figcaption", {}, layout.planeName(plane)) : null;
        this.body.append(h("figure", { class: "plane" }, label, grid.element));
      });
    }

    _tabs() {
      this.shown = 0;
      this.select = h("select", {
        "aria-label": `Plane of ${this.name}`,
        onchange: () => this.turn(Number(this.select.value)),
      });
      for (let plane = 0; plane < this.layout.planes; plane += 1)
        this.select.append(h("option", { value: plane }, this.layout.planeName(plane)));
      const step = (by, icon, words) =>
        h(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": words,
            onclick: () => this.turn((this.shown + by + this.layout.planes) % this.layout.planes),
          },
          icon,
        );
      this.lit = h("span", { class: "lit-planes" });
      this.turner = h(
        "div",
        { class: "turner" },
        step(-1, "\u2039", "Plane before"),
        this.select,
        step(1, "\u203a", "Next plane"),
        this.lit,
      );
      this.holder = h("div", { class: "plane" }, this.parts[0].element);
      this.body.append(this.turner, this.holder);
    }

    /** Another plane comes to the front. */
    turn(plane) {
      if (!this.select || plane === this.shown) return;
      this.shown = plane;
      this.select.value = plane;
      if (!this.parts[plane]) this.parts[plane] = new page.Grid(this, plane);
      this.parts[plane].update();
      this.parts[plane].light(this.marks);
      this.holder.replaceChildren(this.parts[plane].element);
      this.app.network.drawLines();
    }

    /** What its cells show follows from this alone; arrays of numbers never change. */
    get _shown() {
      return [this.tensor.values, this.tensor.pinned, page.theme(), this.app.network.allDigits];
    }

    /** After a change: new numbers and colours, where they are others. */
    update() {
      const shown = this._shown;
      if (shown.every((part, n) => part === this.seen[n])) return;
      this.seen = shown;
      this._measure();
      if (this.select) this.parts[this.shown].update(); // others when they come to the front
      else for (const part of this.parts) part.update();
      this._pinned();
    }

    _pinned() {
      const { pinned } = this.tensor;
      if (this.pin.dataset.pinned === String(pinned)) return;
      this.pin.dataset.pinned = pinned;
      this.element.classList.toggle("pinned", pinned);
      const unpin = () => this.app.edit.unpin(this.name);
      this.pin.replaceChildren(
        ...(pinned
          ? [
              h(
                "span",
                { class: "pin-mark", title: "These numbers stand in place of what the equation says." },
                "pinned",
              ),
              h(
                "button",
                { type: "button", class: "small", "aria-label": `Unpin ${this.name}`, onclick: unpin },
                "unpin",
              ),
            ]
          : []),
      );
    }

    /** marks: flat -> {kind, badge}, or null. */
    light(marks) {
      if (!marks && !this.marks) return;
      this.marks = marks;
      if (this.select) this._lightPlanes(marks);
      for (const part of this.parts) if (part) part.light(marks);
    }

    _lightPlanes(marks) {
      const planes = new Set(
        [...(marks || [])].filter(([, mark]) => mark.kind !== "z").map(([flat]) => this.layout.place(flat).plane),
      );
      if (planes.size && !planes.has(this.shown)) this.turn(Math.min(...planes));
      this.lit.textContent = planes.size > 1 ? `lit in ${planes.size} planes` : "";
    }

    /** The cell of an element, brought to the front; null where there is none. */
    cell(flat, reveal = false) {
      const { plane } = this.layout.place(flat);
      if (reveal && this.select) this.turn(plane);
      if (reveal && this.layout.image && !this.parts[0].shows(flat)) this.parts[0].show(this.layout.place(flat));
      return this.gridOf(flat)?.cells.get(flat) || null;
    }

    /** Where an element is drawn now, {left, top, width, height} in the window; null where it is not. image: where the
     * image is, if that is known. */
    boxOf(flat, image = null) {
      return this.layout.image
        ? this.parts[0].boxOf(flat, image)
        : (this.gridOf(flat)?.cells.get(flat)?.getBoundingClientRect() ?? null);
    }

    /** The grid that shows an element now. */
    gridOf(flat) {
      const { plane } = this.layout.place(flat);
      if (this.layout.image) return this.parts[0].grid?.cells.has(flat) ? this.parts[0].grid : null;
      return this.select && plane !== this.shown ? null : this.parts[plane];
    }
  };
})();
