"use strict";
/* What a click would light, softly, while a number is pointed at or has the focus; who rests on it sees where it goes. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  /** Terms of a number up to which it is previewed: more take too long for something that was only passed by. */
  const MOST_TERMS = 20000;
  /** Milliseconds after which somebody rests on a number. */
  const RESTS = 120;

  page.Preview = class {
    constructor(app, motion) {
      this.app = app;
      this.motion = motion;
      this.shown = null;
      const { section } = app.network;
      const cellOf = (event) => event.target.closest?.(".cell[data-tensor]");
      section.addEventListener("pointerover", (event) => event.pointerType !== "touch" && this._later(cellOf(event)));
      section.addEventListener("pointerleave", () => this._later(null));
      section.addEventListener("focusin", (event) => this._later(cellOf(event)));
      section.addEventListener("focusout", () => this._later(null));
    }

    /** In the next frame, so that who passes over many numbers waits for none. */
    _later(cell) {
      this.next = cell ? { name: cell.dataset.tensor, flat: Number(cell.dataset.flat) } : null;
      if (!this.frame) this.frame = requestAnimationFrame(() => this._show());
    }

    _show() {
      this.frame = 0;
      const { motion, next } = this;
      if (motion.score) return;
      const { name, flat } = next || {};
      if (!next || this.app.isChosen(name, flat) || !this._quick(name)) this.clear();
      else if (this.shown?.name !== name || this.shown.flat !== flat) {
        this.shown = next;
        const lit = page.isMade(this.app.trace, name) ? page.litOf(this.app.trace, name, flat) : new Map();
        motion.stage.preview(lit);
        clearTimeout(this.rest);
        this.rest = setTimeout(() => this.shown === next && this._goesInto(next, lit), RESTS);
      }
    }

    /** With what it counts in, where these are few enough to be listed (core/readers.js). */
    _goesInto({ name, flat }, lit) {
      const { trace } = this.app;
      const all = new Map([...lit].map(([read, own]) => [read, new Map(own)]));
      for (const { tensor, counts } of trace.goesInto(name, page.indexOf(trace.tensor(name).shape, flat))) {
        if (!all.has(tensor)) all.set(tensor, new Map());
        for (const place of counts || []) if (!all.get(tensor).has(place)) all.get(tensor).set(place, "into");
      }
      if (!this.motion.score) this.motion.stage.preview(all);
    }

    _quick(name) {
      const { trace } = this.app;
      const { definition, size } = trace.tensor(name);
      const terms = definition ? definition.ranges.reduce((product, [, length]) => product * length, 1) : size;
      return terms / size <= MOST_TERMS;
    }

    /** Nothing is previewed; what plays is left alone. */
    clear() {
      clearTimeout(this.rest);
      if (this.shown && !this.motion.score) this.motion.stage.clear();
      this.shown = null;
    }
  };
})();
