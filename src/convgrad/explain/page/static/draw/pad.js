"use strict";
/* A canvas to draw on with mouse, pen or finger: strokes as lists of points, drawn with a thick pen. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  /** Pixels of the canvas, twice as many as its size on the page, so that lines are smooth. */
  const SIDE = 448;
  const THICK = 36;
  /** Of the letters on an empty one. */
  const SIZE = 34;
  /** Share of the side between two points that are kept apart. */
  const NEAR = 0.004;

  page.Pad = class {
    /** drawn(): a stroke has ended; moving(): one goes on. */
    constructor({ drawn, moving }) {
      this.strokes = [];
      this.stroke = null;
      this.drawn = drawn;
      this.moving = moving;
      this.canvas = h("canvas", {
        class: "pad",
        width: SIDE,
        height: SIDE,
        role: "img",
        "aria-label": "Draw a digit here with mouse, pen or finger. Digits to choose are below.",
      });
      this.canvas.addEventListener("pointerdown", (event) => this._begin(event));
      this.canvas.addEventListener("pointermove", (event) => this._go(event));
      for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, (event) => this._end(event));
    }

    set(strokes) {
      this.strokes = strokes;
      this.stroke = null;
      this.draw();
    }

    _at({ clientX, clientY }) {
      const box = this.canvas.getBoundingClientRect();
      return [(clientX - box.left) / box.width, (clientY - box.top) / box.height];
    }

    _begin(event) {
      if (this.stroke || event.button !== 0) return;
      event.preventDefault();
      this.canvas.setPointerCapture(event.pointerId);
      this.pointer = event.pointerId;
      this.stroke = [this._at(event)];
      this.strokes = [...this.strokes, this.stroke];
      this.draw();
    }

    _go(event) {
      if (!this.stroke || event.pointerId !== this.pointer) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) {
        const point = this._at(each);
        const last = this.stroke[this.stroke.length - 1];
        if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= NEAR) this.stroke.push(point);
      }
      this.draw();
      this.moving();
    }

    _end(event) {
      if (!this.stroke || event.pointerId !== this.pointer) return;
      this.stroke = null;
      this.drawn();
    }

    /** What an empty canvas is for. */
    _invite(context) {
      const style = getComputedStyle(this.canvas);
      context.save();
      context.fillStyle = page.ink("--soft");
      context.font = `${SIZE}px ${style.fontFamily}`;
      context.textAlign = "center";
      context.fillText("Draw here", SIDE / 2, SIDE / 2);
      context.restore();
    }

    draw() {
      const context = this.canvas.getContext("2d");
      context.clearRect(0, 0, SIDE, SIDE);
      context.strokeStyle = context.fillStyle = getComputedStyle(this.canvas).color;
      context.lineCap = context.lineJoin = "round";
      context.lineWidth = THICK;
      if (!this.strokes.length) this._invite(context);
      for (const stroke of this.strokes) {
        context.beginPath();
        stroke.forEach(([x, y]) => context.lineTo(x * SIDE, y * SIDE));
        if (stroke.length === 1) context.lineTo(stroke[0][0] * SIDE + 0.01, stroke[0][1] * SIDE);
        context.stroke();
      }
    }
  };
})();
