"use strict";
/* Where elements are drawn, measured once and kept until something moves. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  page.Places = class {
    constructor(app) {
      this.app = app;
      this.forget();
    }

    forget() {
      this.boxes = new Map();
      this.origin = null;
    }

    /** [left, top, width, height] from the network's corner, or null where the element is not seen. */
    box(name, flat) {
      if (!this.boxes.has(name)) this.boxes.set(name, new Map());
      const own = this.boxes.get(name);
      if (!own.has(flat)) own.set(flat, this._measured(name, flat));
      return own.get(flat);
    }

    _measured(name, flat) {
      const { network } = this.app;
      const view = network.drawn(name) ? network.views.get(name) : null;
      const box = view?.boxOf(flat);
      if (!box || !box.width) return null;
      if (!this.origin) this.origin = network.flow.getBoundingClientRect();
      return [box.left - this.origin.left, box.top - this.origin.top, box.width, box.height];
    }

    /** The box around several. */
    around(name, flats) {
      let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
      for (const flat of flats) {
        const box = this.box(name, flat);
        if (!box) continue;
        left = Math.min(left, box[0]);
        top = Math.min(top, box[1]);
        right = Math.max(right, box[0] + box[2]);
        bottom = Math.max(bottom, box[1] + box[3]);
      }
      return left < right ? [left, top, right - left, bottom - top] : null;
    }

    /** Boxes that cover elements: of many, one for each row. */
    covers(name, flats, layout) {
      if (flats.length <= 16) return flats.map((flat) => this.box(name, flat)).filter(Boolean);
      const rows = new Map();
      for (const flat of flats) {
        const { plane, row } = layout.place(flat);
        const key = `${plane} ${row}`;
        if (!rows.has(key)) rows.set(key, []);
        rows.get(key).push(flat);
      }
      return [...rows.values()].map((row) => this.around(name, [row[0], row[row.length - 1]])).filter(Boolean);
    }
  };
})();
