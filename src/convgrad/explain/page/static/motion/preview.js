"use strict";
/* What a click would light, softly, while a number is pointed at or has the focus. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  /** Terms of a number up to which it is previewed: more take too long for something that was only passed by. */
  const MOST_TERMS = 20000;

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
        motion.stage.preview(page.litOf(this.app.trace, name, flat));
      }
    }

    _quick(name) {
      const { trace } = this.app;
      if (!page.isMade(trace, name)) return false;
      const { definition, size } = trace.tensor(name);
      const terms = definition ? definition.ranges.reduce((product, [, length]) => product * length, 1) : size;
      return terms / size <= MOST_TERMS;
    }

    /** Nothing is previewed; what plays is left alone. */
    clear() {
      if (this.shown && !this.motion.score) this.motion.stage.clear();
      this.shown = null;
    }
  };
})();
