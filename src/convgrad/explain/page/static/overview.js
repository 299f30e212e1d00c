"use strict";
/* A strip with the whole network, where it does not fit: what is seen is framed; a click or a drag goes there. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;

  const COLORS = {
    parameters: "--mark-b",
    results: "--soft",
    deltas: "--mark-c",
    gradients: "--mark-a",
    updated: "--accent",
  };
  const STEP = 0.12;

  page.Overview = class {
    constructor(app) {
      this.app = app;
      this.section = app.network.section;
      this.canvas = h("canvas", { "aria-hidden": "true" });
      this.frame = h("div", { class: "seen" });
      this.element = byId("overview");
      this.element.replaceChildren(this.canvas, this.frame);
      this.element.addEventListener("pointerdown", (event) => {
        this.element.setPointerCapture(event.pointerId);
        this._go(event);
      });
      this.element.addEventListener("pointermove", (event) => event.buttons && this._go(event));
      this.element.addEventListener("keydown", (event) => this._key(event));
      this.section.addEventListener("scroll", () => this.seen(), { passive: true });
    }

    fitted() {
      this.draw();
    }

    painted() {
      this.draw();
    }

    explained() {
      this.draw();
    }

    /** The middle of what is seen comes to where the pointer is. */
    _go(event) {
      const box = this.element.getBoundingClientRect();
      this._to((event.clientX - box.left) / box.width);
    }

    _to(share) {
      this.section.scrollLeft = share * this.section.scrollWidth - this.section.clientWidth / 2;
    }

    _key(event) {
      const { scrollLeft, scrollWidth, clientWidth } = this.section;
      const to = {
        ArrowLeft: scrollLeft - STEP * clientWidth,
        ArrowRight: scrollLeft + STEP * clientWidth,
        PageUp: scrollLeft - clientWidth,
        PageDown: scrollLeft + clientWidth,
        Home: 0,
        End: scrollWidth,
      }[event.key];
      if (to === undefined) return;
      this.section.scrollLeft = to;
      event.preventDefault();
    }

    /** The frame around what is seen. */
    seen() {
      const { scrollLeft, scrollWidth, clientWidth } = this.section;
      this.frame.style.left = `${(100 * scrollLeft) / scrollWidth}%`;
      this.frame.style.width = `${(100 * clientWidth) / scrollWidth}%`;
      const most = scrollWidth - clientWidth;
      this.element.setAttribute("aria-valuenow", String(most > 0 ? Math.round((100 * scrollLeft) / most) : 0));
    }

    draw() {
      page.soon("overview", () => this._draw());
    }

    /** Blocks with a stroke for each tensor, those with lit numbers filled. */
    _draw() {
      const { network, marks } = this.app;
      const { scrollWidth, clientWidth } = this.section;
      this.element.hidden = scrollWidth <= clientWidth + 1;
      if (this.element.hidden) return;
      const [wide, high] = [this.element.clientWidth, this.element.clientHeight];
      const dense = devicePixelRatio || 1;
      Object.assign(this.canvas, { width: wide * dense, height: high * dense });
      const context = this.canvas.getContext("2d");
      context.scale(dense, dense);
      context.font = `${Math.round(high * 0.34)}px sans-serif`;
      context.textBaseline = "top";
      const lit = new Set([...((this.app.chosen && marks) || new Map()).keys()]);
      const left = network.flow.offsetLeft - this.section.offsetLeft;
      const [glow, card, line, ink] = ["--glow", "--card", "--line", "--ink"].map(page.ink);
      const colors = Object.fromEntries(Object.entries(COLORS).map(([lane, name]) => [lane, page.ink(name)]));
      for (const block of network.blocks.values()) {
        const from = ((block.element.offsetLeft + left) / scrollWidth) * wide;
        const across = Math.max(2, (block.element.offsetWidth / scrollWidth) * wide - 1);
        context.fillStyle = block.lanes.some(({ names }) => names.some((n) => lit.has(n))) ? glow : card;
        context.fillRect(from, 1, across, high - 2);
        if (across > 3) {
          context.strokeStyle = line;
          context.strokeRect(from + 0.5, 1.5, across - 1, high - 3);
        }
        block.lanes.forEach(({ lane, names }, row) => {
          const thick = (high * 0.5) / block.lanes.length;
          const width = (across - 4) / Math.max(1, names.length);
          context.fillStyle = colors[lane];
          names.forEach((_, n) =>
            context.fillRect(
              from + 2 + n * width,
              high * 0.42 + row * thick,
              Math.max(1, width - 2),
              Math.max(1, thick - 2),
            ),
          );
        });
        if (across > 34) {
          context.fillStyle = ink;
          context.fillText(block.name, from + 3, 3, across - 6);
        }
      }
      this.seen();
    }
  };
  page.parts.push(page.Overview);
})();
