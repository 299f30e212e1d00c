"use strict";
/* What the colours mean, below the network; and all digits of the number that is pointed at or has the focus. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;

  const KINDS = { results: "results", signed: "weights, deltas, gradients" };
  const STRONGEST =
    "The strongest colour is the number of the greatest size in its tensor; negative numbers have a minus.";

  page.Legend = class {
    constructor(app) {
      this.app = app;
      this.bubble = h("div", { class: "readout", "aria-hidden": "true", hidden: true });
      document.body.append(this.bubble);
      const { section } = app.network;
      const cellOf = (event) => event.target.closest?.(".cell[data-tensor]");
      for (const begins of ["pointerover", "focusin"])
        section.addEventListener(begins, (event) => this._read(cellOf(event)));
      for (const ends of ["pointerleave", "focusout", "scroll", "pointerdown"])
        section.addEventListener(ends, () => this._read(null), { passive: true });
    }

    looked() {
      this.painted();
    }

    /** In the colours of the theme. */
    painted() {
      const theme = page.theme();
      const kinds = this.app.network.lens === "update" ? ["signed"] : ["results", "signed"];
      const ramp = (signed) => {
        const stops = [-1, -0.5, 0, 0.5, 1].map((value) => page.rgb(page.color(value, { signed, high: 1 }, theme)));
        const bar = h("span", { class: "ramp", "aria-hidden": "true" });
        bar.style.backgroundImage = `linear-gradient(to right, ${stops.join(", ")})`;
        return [h("span", { "aria-hidden": "true" }, "\u2212"), bar, h("span", { "aria-hidden": "true" }, "+")];
      };
      const zero = theme === "dark" ? "0 is dark" : "0 is white";
      byId("legend").replaceChildren(
        ...kinds.map((kind) => h("span", { class: "ramp-of", title: STRONGEST }, ramp(kind === "signed"), KINDS[kind])),
        h("span", { class: "zero-is" }, zero),
      );
    }

    /** A cell with fewer digits than its number has. */
    _read(cell) {
      this.bubble.hidden = true;
      if (!cell || cell.classList.contains("editing")) return;
      const { trace, network } = this.app;
      const tensor = trace.tensor(cell.dataset.tensor);
      const flat = Number(cell.dataset.flat);
      const written = tensor.written(tensor.values[flat]);
      if (!network.views.get(tensor.name).isCut(tensor.values[flat])) return;
      this.bubble.textContent = `${page.elementName(tensor.name, tensor.shape, flat)} = ${page.typeset(written)}`;
      this.bubble.hidden = false;
      const box = cell.getBoundingClientRect();
      const left = Math.min(
        innerWidth - this.bubble.offsetWidth - 6,
        box.left + box.width / 2 - this.bubble.offsetWidth / 2,
      );
      this.bubble.style.left = `${Math.max(6, left)}px`;
      this.bubble.style.top = `${box.top - this.bubble.offsetHeight - 8}px`;
    }
  };
  page.parts.push(page.Legend);
})();
