"use strict";
/* "Draw a digit": a canvas, digits to choose from, what the network thinks of them, and why. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const SIDE = 28;
  /** The example that reads digits. */
  page.READER = "lenet-trained";
  /** Drawings that are remembered, so that undoing brings their strokes back. */
  const MOST = 200;

  /** Of each class; null where the network tells none apart, or gets a batch. */
  const probabilitiesOf = (trace) => (trace.has("target") && trace.tensor("target").size === 1 ? page.sharesInLoss(trace) : null);
  const thinks = (probabilities) => probabilities.indexOf(Math.max(...probabilities));

  const grey = () => (page.theme() === "dark" ? (p) => 24 + 0.9 * p : (p) => 255 - p);

  /** Pixels 0..255 as an image. */
  const picture = (pixels, attributes) => {
    const canvas = h("canvas", { width: SIDE, height: SIDE, ...attributes });
    paint(canvas, pixels);
    return canvas;
  };

  const paint = (canvas, pixels) => {
    const context = canvas.getContext("2d");
    const image = context.createImageData(SIDE, SIDE);
    const shade = grey();
    pixels.forEach((pixel, n) => {
      const value = shade(pixel);
      image.data.set([value, value, value, 255], 4 * n);
    });
    context.putImageData(image, 0, 0);
  };

  page.Draw = class {
    constructor(app) {
      this.app = app;
      app.draw = this;
      this.button = h("button", { type: "button", id: "draw", onclick: () => this.open() }, "Draw a digit\u2026");
      this.dialog = h("dialog", { id: "drawing", class: "dialog", "aria-labelledby": "drawing-title" });
      this.dialog.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
      document.querySelector("main").before(this.dialog);
      this.pad = new page.Pad({ drawn: () => this._drawn(), moving: () => this._foresee() });
      this.seen = picture(new Array(SIDE * SIDE).fill(0), { class: "as-seen", role: "img" });
      this.why = new page.Why(app);
      this.says = h("p", { class: "thinks", role: "status" });
      this.explain = h("button", { type: "button", class: "primary", id: "explain-answer", onclick: () => this._explain() });
    }

    /** A network is opened. */
    opened() {
      const { model } = this.app.trace;
      this.memory = new Map(); // pixels -> strokes
      this.meant = null; // what the drawing is said to be
      this.button.remove();
      if (model.digits?.length || this.app.served.served) byId("source").append(this.button);
      if (!model.digits?.length) {
        this._hide();
        return;
      }
      this._fill(model);
      this.changed();
    }

    /** Where the network reads no digits, with one that does. */
    async open() {
      if (!this.app.trace.model.digits?.length) await this.app.served.turnTo(page.READER);
      if (!this.app.trace.model.digits?.length) return; // why is said beside the examples
      this.dialog.show();
      document.body.classList.add("draws");
      if (this.app.fit.narrow) this.app.panel.fold(true); // the sheet would lie over the answer
      this.dialog.style.top = `${document.querySelector("main").getBoundingClientRect().top}px`;
      this.changed();
      byId("clear-drawing").focus();
    }

    close() {
      this._hide();
      this.button.focus();
    }

    _hide() {
      this.dialog.close();
      document.body.classList.remove("draws");
      this.app.network.drawLines();
    }

    _fill(model) {
      const button = (id, words, act) => h("button", { type: "button", class: "small", id, onclick: act }, words);
      this.undoing = button("undo-stroke", "Undo stroke", () => this._take(this.pad.strokes.slice(0, -1)));
      const clear = button("clear-drawing", "Clear", () => this._take([]));
      const classes = probabilitiesOf(this.app.trace)?.length ?? 0;
      this.bars = classes ? h("div", { class: "draw-bars" }) : null;
      this.labels = Array.from({ length: classes }, (_, k) =>
        h("input", { type: "radio", name: "target", id: `target-${k}`, value: k, onchange: () => this._target(k) }),
      );
      const labels = this.labels.map((input, k) => [input, h("label", { for: `target-${k}` }, String(k))]);
      this.why.clear();
      this.pad.set([]);
      this.dialog.replaceChildren(
        h(
          "div",
          { class: "dialog-head" },
          h("h2", { id: "drawing-title" }, "Draw a digit"),
          button("close-drawing", "Close", () => this.close()),
        ),
        h(
          "div",
          { class: "pad-row" },
          this.pad.canvas,
          h(
            "div",
            { class: "drawing-side" },
            h("figure", {}, this.seen, h("figcaption", {}, "As the network gets it")),
            h("div", { class: "actions" }, this.undoing, clear),
          ),
        ),
        classes ? h("fieldset", { class: "segments targets" }, h("legend", {}, "It is a"), labels) : "",
        this.bars ? h("div", {}, this.says, this.bars, h("div", { class: "actions" }, this.explain)) : "",
        this.why.element,
        h("h3", {}, "Or choose one"),
        h("div", { class: "actions" }, this.app.photo.chooser("photo")),
        ...this._digits(model.digits),
      );
    }

    _digits(digits) {
      const group = (words, own) =>
        own.length
          ? [
              h("p", { class: "hint" }, words),
              h("div", { class: "digit-list", role: "group", "aria-label": words }, own.map((digit) => this._digit(digit))),
            ]
          : [];
      return [
        ...group("Handwritten digits that it was not trained on", digits.filter(({ misread }) => !misread)),
        ...group("Those that it reads wrongly", digits.filter(({ misread }) => misread)),
      ];
    }

    _digit({ label, pixels }) {
      return h(
        "button",
        { type: "button", class: "digit", "aria-label": `A handwritten ${label}`, "data-label": label, onclick: () => this._choose(pixels, label) },
        picture(pixels, { "aria-hidden": "true" }),
      );
    }

    _choose(pixels, label) {
      this._input(pixels, label);
      page.say(`A handwritten ${label} is the input now.${this._spoken()}`);
    }

    /** Pixels from elsewhere; until the person says here what they are, the network's answer counts as right. */
    async take(pixels) {
      if (!this.dialog.open) await this.open();
      this.meant = null;
      this._input(pixels, null);
    }

    /** Other strokes are the drawing. */
    _take(strokes) {
      this.pad.set(strokes);
      this._drawn();
    }

    /** Strokes have changed. Until the person says what they are meant to be, the network's answer counts as right. */
    _drawn() {
      const { strokes } = this.pad;
      const pixels = page.pixelsOfStrokes(strokes);
      if (this.memory.size >= MOST) this.memory.delete(this.memory.keys().next().value);
      this.memory.set(String(pixels), strokes);
      if (strokes.length < 2) this.meant = null;
      this._input(pixels, this.meant);
      page.say(strokes.length ? this._spoken().trim() : "The drawing is empty.");
    }

    /** While a stroke goes on: bars for what there is of it, once a frame; the page's own numbers stay. */
    _foresee() {
      if (!this.bars || this.foreseeing) return;
      this.foreseeing = requestAnimationFrame(() => {
        this.foreseeing = null;
        if (!this.pad.stroke) return;
        const { trace } = this.app;
        if (this.beside?.model !== trace.model) this.beside = new convgrad.Trace(trace.model);
        const pixels = page.pixelsOfStrokes(this.pad.strokes);
        this.beside.given = trace.given;
        this.beside.perform("setAll", ["input", page.numbersOfPixels(pixels)]);
        this._bars(probabilitiesOf(this.beside), this.meant);
        paint(this.seen, pixels);
      });
    }

    _target(k) {
      this.meant = k;
      this._input(null, k);
      page.say(this._spoken().trim());
    }

    /** Other pixels, where they are given, and another target, as one change; target null: what the network thinks. */
    _input(pixels, target) {
      const { trace } = this.app;
      const tell = trace.onchange;
      trace.onchange = () => {};
      try {
        trace.together(() => {
          if (pixels) trace.setAll("input", page.numbersOfPixels(pixels));
          const probabilities = probabilitiesOf(trace);
          const label = target ?? (probabilities && thinks(probabilities));
          if (label !== null && trace.has("target")) this._setTarget(trace, label);
        });
      } finally {
        trace.onchange = tell;
      }
      this._show();
      requestAnimationFrame(() => setTimeout(tell)); // the answer is seen before the whole network is drawn anew
    }

    _setTarget(trace, label) {
      const { values } = trace.tensor("target");
      const wanted = values.length === 1 ? [label] : Array.from(values, (_, n) => (n === label ? 1 : 0));
      if (wanted.some((value, n) => value !== values[n])) trace.setAll("target", wanted);
    }

    /** Numbers have changed, by whom ever. */
    changed() {
      if (!this.dialog.open || this.pad.stroke) return; // what tells of the stroke before must not end this one
      this._show();
      this.why.clear();
    }

    /** The drawing is that of the input, the bars are those of the answer. */
    _show() {
      const { trace } = this.app;
      const pixels = Array.from(trace.tensor("input").values, (value) => Math.round(255 * value));
      const key = String(pixels);
      if (key !== String(page.pixelsOfStrokes(this.pad.strokes))) {
        this.pad.set(this.memory.get(key) ?? []);
        this.meant = null;
      }
      this.undoing.disabled = !this.pad.strokes.length;
      paint(this.seen, pixels);
      this._judge(pixels.some(Boolean));
    }

    _judge(isInk) {
      if (!this.bars) return;
      const { trace } = this.app;
      const probabilities = probabilitiesOf(trace);
      const target = trace.tensor("target").values[0];
      const answer = thinks(probabilities);
      this._bars(probabilities, target);
      this.labels.forEach((input, k) => (input.checked = k === target));
      const right = answer === target;
      const taken = this.pad.strokes.length && this.meant === null ? " Is it? Say what you drew if it is not." : "";
      this.told = `Thinks ${answer}, ${page.percent(probabilities[answer])}${right ? "." : `; should be ${target}.`}`;
      this.says.textContent = isInk ? this.told + (right ? taken : "") : "Nothing is drawn yet.";
      this.says.classList.toggle("wrong", isInk && !right);
      this.seen.setAttribute("aria-label", isInk ? "The input, 28 by 28 pixels" : "An empty input, 28 by 28 pixels");
      this.explain.textContent = right ? "Explain this answer" : "Explain this wrong answer";
      this.explain.disabled = !isInk;
    }

    _bars(probabilities, label) {
      const chosen = (k) => this._why(k);
      this.bars.replaceChildren(page.classBars(probabilities, { label, leads: "Where it comes from", chosen }));
    }

    _spoken() {
      return this.bars ? ` ${this.told}` : "";
    }

    _explain() {
      this._why(thinks(probabilitiesOf(this.app.trace)));
    }

    /** other: the right class, where it is another one. */
    _why(k) {
      const target = this.app.trace.tensor("target").values[0];
      this.why.start(k, k === target ? null : target);
      page.bringIntoView(this.why.element);
    }
  };
  page.parts.push(page.Draw);
})();
