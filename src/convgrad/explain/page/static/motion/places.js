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
      this.kept = new Map(); // what was worked out from them
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
      const image = view?.layout.image ? this._once(view, () => view.parts[0].canvas.getBoundingClientRect()) : null;
      const box = view?.boxOf(flat, image);
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

    _once(key, make) {
      if (!this.kept.has(key)) this.kept.set(key, make());
      return this.kept.get(key);
    }

    /** Boxes that cover elements: of many, one for each row. Asked for the same array again it is not worked out again. */
    covers(name, flats, layout) {
      return this._once(flats, () => this._covers(name, flats, layout));
    }

    _covers(name, flats, layout) {
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

    /** "conv1.x 0" -> the box around what is read in that plane, where that is more than one place. */
    frames(window) {
      return this._once(window, () => this._frames(window));
    }

    _frames(window) {
      const frames = new Map();
      for (const [name, flats] of window) {
        const layout = this.app.network.views.get(name)?.layout;
        if (!layout || flats.size < 2) continue;
        const planes = new Map();
        for (const flat of flats) {
          const { plane } = layout.place(flat);
          if (!planes.has(plane)) planes.set(plane, []);
          planes.get(plane).push(flat);
        }
        for (const [plane, own] of planes) {
          const box = this.around(name, own);
          if (box) frames.set(`${name} ${plane}`, box);
        }
      }
      return frames;
    }
  };
})();
