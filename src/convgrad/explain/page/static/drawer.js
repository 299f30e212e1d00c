"use strict";
/* The panel's size: its edge is dragged, or moved with arrow keys; on a phone the sheet is dragged by its handle. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;

  const NARROWEST = 260;
  /** Of the page's width, and of a phone's height. */
  const WIDEST = 0.6;
  const HIGHEST = 0.9;
  /** A sheet that is left lower than this is folded. */
  const FOLDS = 110;
  const STEP = 32;
  /** Less than this is a click. */
  const MOVED = 5;

  page.Drawer = class {
    constructor(app) {
      this.app = app;
      this.panel = byId("panel");
      this.main = this.panel.parentElement;
      this.edge = h("div", {
        class: "edge",
        role: "separator",
        tabindex: "0",
        "aria-orientation": "vertical",
        "aria-label": "Width of the explanation",
        "aria-controls": "panel",
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      });
      this.panel.prepend(this.edge);
      this._dragged(this.edge, (event) => this.widen(innerWidth - event.clientX));
      this.edge.addEventListener("keydown", (event) => this._key(event));
      this.edge.addEventListener("dblclick", () => this.widen(null));
      const { handle } = app.panel;
      this._dragged(
        handle,
        (event) => this._narrow && this.raise(innerHeight - event.clientY),
        () => this._narrow && this._dropped(),
      );
      this._tell();
    }

    get _narrow() {
      return matchMedia("(max-width: 820px)").matches;
    }

    /** Calls move while a pointer that went down on an element is dragged, and end after that; a click stays a click. */
    _dragged(element, move, end = () => {}) {
      let from = null;
      let dragging = false;
      element.addEventListener("pointerdown", (event) => {
        from = event;
        dragging = false;
        element.setPointerCapture(event.pointerId);
      });
      element.addEventListener("pointermove", (event) => {
        if (!from) return;
        dragging ||= Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY) > MOVED;
        if (dragging) move(event);
      });
      const over = () => {
        if (from && dragging) end();
        from = null;
      };
      element.addEventListener("pointerup", over);
      element.addEventListener("pointercancel", over);
      element.addEventListener(
        "click",
        (event) => {
          if (dragging) event.stopImmediatePropagation();
          dragging = false;
        },
        { capture: true },
      );
    }

    /** width: in pixels; null: as at first. */
    widen(width) {
      if (width === null) this.main.style.removeProperty("--panel");
      else {
        const within = Math.max(NARROWEST, Math.min(WIDEST * innerWidth, width));
        this.main.style.setProperty("--panel", `${Math.round(within)}px`);
      }
      this._tell();
    }

    /** The sheet of a phone, in pixels. */
    raise(height) {
      const { panel } = this.app;
      if (height > FOLDS) panel.fold(false);
      this.panel.style.setProperty("--sheet", `${Math.round(Math.min(HIGHEST * innerHeight, Math.max(40, height)))}px`);
    }

    _dropped() {
      if (this.panel.offsetHeight > FOLDS) return;
      this.app.panel.fold(true);
      this.panel.style.removeProperty("--sheet");
    }

    _key(event) {
      const by = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
      if (!by) return;
      this.widen(this.panel.offsetWidth + by);
      event.preventDefault();
    }

    _tell() {
      this.edge.setAttribute("aria-valuenow", String(Math.round((100 * this.panel.offsetWidth) / innerWidth)));
    }
  };
  page.parts.push(page.Drawer);
})();
