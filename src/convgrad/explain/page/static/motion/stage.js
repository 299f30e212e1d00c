"use strict";
/* A canvas over the network, on which steps are drawn: what is not written yet is covered, windows slide, numbers move.
 * Nothing of the network changes while a step is drawn, so that nothing has to be laid out anew. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  /** Parts of a step: until when the window slides, and when the numbers have arrived. */
  const SLIDES = 0.3;
  const ARRIVES = 0.75;
  /** Part of the way after which factors have become their product. */
  const MEETS = 0.6;
  /** Pixels below which a number is a dot, which is filled and not framed. */
  const SMALL = 12;
  const COLORS = ["chosen", "a", "b", "c"];
  const DASHES = { a: [], b: [5, 3], c: [2, 3], into: [1, 2] };

  const eased = (t) => (t < 0.5 ? 2 * t * t : 1 - (2 - 2 * t) ** 2 / 2);
  const part = (t, from, to) => Math.max(0, Math.min(1, (t - from) / (to - from)));

  page.Stage = class {
    constructor(app) {
      this.app = app;
      this.places = new page.Places(app);
      this.canvas = h("canvas", { class: "stage", "aria-hidden": "true", hidden: true });
      document.body.append(this.canvas);
      this.clear();
    }

    get moving() {
      return !matchMedia("(prefers-reduced-motion: reduce)").matches;
    }

    clear() {
      this.canvas.hidden = true;
      this.drawn = [];
      this.again = () => {};
    }

    /** What was measured no longer holds; colours may have changed, too. */
    forget() {
      this.places.forget();
      this.colors = null;
    }

    _begin() {
      const { section, flow } = this.app.network;
      const box = section.getBoundingClientRect();
      const [left, top] = [Math.max(0, box.left), Math.max(0, box.top)];
      const width = Math.max(0, Math.min(innerWidth, box.left + section.clientWidth) - left);
      const height = Math.max(0, Math.min(innerHeight, box.top + section.clientHeight) - top);
      const sharp = Math.min(2, devicePixelRatio || 1);
      const key = `${left} ${top} ${width} ${height} ${sharp}`;
      if (this.fitted !== key) {
        this.fitted = key;
        this.canvas.width = Math.round(width * sharp);
        this.canvas.height = Math.round(height * sharp);
        Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
        this.canvas.style.transform = `translate(${left}px, ${top}px)`;
      }
      this.canvas.hidden = false;
      if (!this.colors) this._readColors();
      const context = this.canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      const corner = flow.getBoundingClientRect();
      if (this.wide !== corner.width) this.places.forget(); // drawn larger or smaller
      this.wide = corner.width;
      context.setTransform(sharp, 0, 0, sharp, (corner.left - left) * sharp, (corner.top - top) * sharp);
      this.drawn = [];
      return context;
    }

    _readColors() {
      this.colors = { card: page.ink("--card"), glow: page.ink("--glow"), ink: page.ink("--ink") };
      for (const kind of COLORS) this.colors[kind] = page.ink(`--mark-${kind}`);
      this.colors.into = page.ink("--accent");
      this.size = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8;
    }

    /** A score at step n, of which the part t (0 to 1) is done. */
    draw(score, n, t) {
      this.again = () => this.draw(score, n, t);
      const context = this._begin();
      const step = score.step(n);
      const now = this.moving ? t : 1;
      this._cover(context, score, n, now);
      this._windows(context, score, n, now);
      if (step.soft) this._marks(context, step.soft, 0.35, false);
      this._marks(context, step.lit, this.moving ? Math.max(0.5, part(now, 0, SLIDES)) : 1, true);
      this._target(context, score, step, now);
      if (now > SLIDES && now < ARRIVES) this._moves(context, score.name, step, eased(part(now, SLIDES, ARRIVES)));
    }

    /** What a click on an element would light, softly, and what it goes into. */
    preview(lit) {
      this.again = () => this.preview(lit);
      const context = this._begin();
      this._marks(context, lit, 0.55, true);
    }

    /** Elements that are not written yet. */
    _cover(context, { name, layout, groups, length }, n, t) {
      if (!groups) return;
      context.fillStyle = this.colors.card;
      for (let later = t < ARRIVES ? n : n + 1; later < length; later += 1) {
        for (const [left, top, width, height] of this.places.covers(name, groups[later], layout))
          context.fillRect(left - 0.5, top - 0.5, width + 1, height + 1);
      }
    }

    /** A frame around what is read in a plane; it slides from that of the step before. */
    _windows(context, score, n, t) {
      const before = n ? this.places.frames(score.step(n - 1).window) : new Map();
      const slid = eased(part(t, 0, SLIDES));
      context.lineWidth = 2;
      context.strokeStyle = this.colors.ink;
      context.setLineDash([]);
      for (const [key, box] of this.places.frames(score.step(n).window)) {
        const from = before.get(key) || box;
        const at = box.map((end, side) => from[side] + (end - from[side]) * slid);
        context.globalAlpha = 0.8;
        context.beginPath();
        context.roundRect(at[0] - 3, at[1] - 3, at[2] + 6, at[3] + 6, 5);
        context.stroke();
      }
      context.globalAlpha = 1;
    }

    _marks(context, lit, alpha, noted) {
      context.lineWidth = 2;
      context.globalAlpha = alpha;
      for (const kind of ["into", "c", "b", "a"]) {
        context.strokeStyle = this.colors[kind];
        context.setLineDash(DASHES[kind]);
        context.beginPath();
        for (const [name, own] of lit) {
          for (const [flat, mark] of own) {
            const box = mark === kind ? this.places.box(name, flat) : null;
            if (!box) continue;
            if (box[2] < SMALL) {
              context.fillStyle = this.colors[kind];
              context.fillRect(box[0] + 0.5, box[1] + 0.5, box[2] - 1, box[3] - 1);
            } else context.rect(...box);
            if (noted) this.drawn.push({ name, flat, kind, box });
          }
        }
        context.stroke();
      }
      context.setLineDash([]);
      context.globalAlpha = 1;
    }

    /** Around what is written; of a sum, what it has come to. */
    _target(context, { name, layout }, step, t) {
      const boxes = layout ? this.places.covers(name, step.written, layout) : [this.places.box(name, step.written[0])];
      context.strokeStyle = this.colors.chosen;
      for (const box of boxes.filter(Boolean)) {
        context.lineWidth = box[3] < SMALL ? 1 : 3;
        context.strokeRect(...box);
        if (step.running === null) continue;
        const shown = t < ARRIVES ? step.before : step.running;
        if (shown) this._chip(context, box[0] + box[2] / 2, box[1] + box[3] / 2, page.typeset(shown), box[3], true);
      }
      for (const flat of step.written) this.drawn.push({ name, flat, kind: "written", box: this.places.box(name, flat) });
    }

    /** Numbers on their way. */
    _moves(context, target, { moves, adds, written: [element] }, t) {
      const { trace } = this.app;
      const meet = adds && moves.length > 1 ? this.places.box(target, element) : null;
      if (meet && t > MEETS) {
        const above = meet[1] + meet[3] * (0.5 - 1.6 * (1 - part(t, MEETS, 1)));
        this._chip(context, meet[0] + meet[2] / 2, above, page.typeset(adds, true), meet[3], false);
        return;
      }
      for (const { name, flat, to } of moves) {
        const [start, end] = [this.places.box(name, flat), this.places.box(target, to)];
        if (!start || !end) continue;
        const middle = (box, side) => box[side] + box[side + 2] / 2;
        const lift = meet ? [0, 1.6 * end[3]] : [0, 0];
        const way = meet ? t / MEETS : t;
        const at = (side) => middle(start, side) + (middle(end, side) - lift[side] - middle(start, side)) * way;
        const written = page.typeset(trace.written(name, trace.tensor(name).values[flat]));
        this._chip(context, at(0), at(1) - end[3] * Math.sin(Math.PI * way), written, end[3], false);
      }
    }

    /** A number with its middle at x and y, as large as in a cell of that height. */
    _chip(context, x, y, text, high, strong) {
      const size = high < SMALL ? this.size : high / 2;
      context.font = `${strong ? 700 : 500} ${size}px system-ui, sans-serif`;
      const width = context.measureText(text).width + size;
      const height = size * 1.8;
      context.fillStyle = strong ? this.colors.glow : this.colors.card;
      context.strokeStyle = this.colors.ink;
      context.lineWidth = 1;
      context.beginPath();
      context.roundRect(x - width / 2, y - height / 2, width, height, 6);
      context.fill();
      context.stroke();
      context.fillStyle = strong ? "#16181d" : this.colors.ink;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(text, x, y);
    }
  };
})();
