"use strict";
/* The learning rate, steps of gradient descent, the loss and its history, and back to the beginning. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, svg } = page;
  const WIDE = 120;
  const HIGH = 34;

  /** A curve of losses with its ends marked; words for who can't see it. */
  page.lossChart = (history) => {
    const finite = history.filter(Number.isFinite);
    const chart = svg("svg", { class: "chart", viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" });
    const first = finite.length ? page.plain(finite[0]) : "none";
    const steps = history.length === 2 ? "1 step" : `${history.length - 1} steps`;
    const words =
      history.length > 1
        ? `Loss over ${steps}: from ${first} to ${page.plain(history[history.length - 1])}`
        : `Loss ${first}, no step yet`;
    chart.setAttribute("aria-label", words);
    chart.append(svg("title", {}, words));
    const [low, high] = [Math.min(...finite, 0), Math.max(...finite)];
    const across = history.length > 1 ? (WIDE - 8) / (history.length - 1) : 0;
    const at = (value, n) => [4 + n * across, HIGH - 4 - ((value - low) / (high - low || 1)) * (HIGH - 8)];
    chart.append(svg("line", { class: "axis", x1: 0, x2: WIDE, y1: HIGH - 3.5, y2: HIGH - 3.5 }));
    const points = history.map((value, n) => (Number.isFinite(value) ? at(value, n) : null)).filter(Boolean);
    if (points.length > 1)
      chart.append(
        svg("polyline", { points: points.map((point) => point.map((part) => part.toFixed(1)).join(",")).join(" ") }),
      );
    if (points.length) {
      const [x, y] = points[points.length - 1];
      chart.append(svg("circle", { cx: x, cy: y, r: 2.8 }));
    }
    return chart;
  };

  /** A loss in the bar, which has no room for many zeros. */
  const short = (loss) => (loss > 0 && loss < 1e-4 ? loss.toExponential(3) : page.plain(loss));

  const nextFrame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

  page.Training = class {
    constructor(app, element) {
      this.app = app;
      this.rate = h("input", { id: "rate", type: "text", inputmode: "decimal", autocomplete: "off", size: 6 });
      this.rate.addEventListener("change", () => this._rate());
      this.rate.addEventListener("keydown", (event) => event.key === "Enter" && this._rate());
      this.loss = h("output", { id: "loss", class: "loss-value" });
      this.chart = h("span", { class: "chart-holder" });
      const button = (id, words, act, title) => h("button", { type: "button", id, onclick: act, title }, words);
      this.steps = [
        button("step", "Step", () => this.step(1), "One step of gradient descent: every weight is updated"),
        button("step10", "10 steps", () => this.step(10), "Ten steps of gradient descent"),
      ];
      this.problem = h("p", { class: "rate-problem", role: "alert" });
      element.replaceChildren(
        h("label", { for: "rate", class: "rate" }, h("span", {}, "learning rate"), this.rate),
        this.problem,
        ...this.steps,
        button("reset", "Reset", () => this.reset(), "All numbers as they were"),
        h("span", { class: "loss-part" }, h("span", { class: "loss-label" }, "loss"), this.loss, this.chart),
      );
    }

    /** A network is opened. */
    open() {
      this.update();
    }

    /** Many steps of a large network are made between frames, beside the trace, which then changes at once. */
    async step(count) {
      const { trace, network } = this.app;
      if (this.going) return;
      try {
        if (count === 1 || !network.large) trace.step(count);
        else if (!(await this._go(trace, count))) return;
      } catch (error) {
        page.tellIn(this.problem, `No step was made: ${error.message} Try a smaller learning rate.`);
        return;
      }
      this._made(count);
    }

    async _go(trace, count) {
      const [, button] = this.steps;
      let made = 0;
      const pause = async () => {
        made += 1;
        button.style.setProperty("--made", `${(100 * made) / count}%`);
        await nextFrame();
        return this.app.trace === trace;
      };
      this.going = true;
      for (const each of this.steps) each.setAttribute("aria-disabled", "true");
      button.classList.add("going");
      try {
        await nextFrame();
        const done = await trace.history.goTo([...trace.history.log, ["step", count]], pause);
        if (!done) this.problem.textContent = "No step was made: something else was changed meanwhile.";
        return done;
      } finally {
        this.going = false;
        for (const each of this.steps) each.removeAttribute("aria-disabled");
        button.classList.remove("going");
        button.style.removeProperty("--made");
      }
    }

    _made(count) {
      const { trace } = this.app;
      const loss = trace.loss === null ? "" : ` Loss ${page.plain(trace.loss)}.`;
      page.say(`${count === 1 ? "One step" : `${count} steps`} done.${loss} ${this.app.pins.words}`.trim());
    }

    reset() {
      this.app.trace.reset();
      page.say("All numbers are as they were.");
    }

    /** After any change. */
    update() {
      const { trace } = this.app;
      const { loss } = trace;
      if (!this.rate.hasAttribute("aria-invalid")) this.problem.textContent = "";
      this.loss.textContent = loss === null ? "no target" : Number.isFinite(loss) ? short(loss) : "not finite";
      this.chart.replaceChildren(loss === null ? "" : page.lossChart([...trace.losses, loss]));
      const rate = trace.model.learning_rate;
      this.rate.disabled = rate === null;
      if (rate !== null && (document.activeElement !== this.rate || !this.problem.textContent))
        this.rate.value = String(trace.tensor(rate).values[0]);
      const possible = trace.model.updates.length > 0;
      this.steps.forEach((button) => (button.disabled = !possible));
    }

    _rate() {
      const { trace } = this.app;
      const { value, problem } = page.readNumber(this.rate.value);
      this._tell(problem);
      if (problem || value === trace.tensor(trace.model.learning_rate).values[0]) return;
      try {
        trace.set(trace.model.learning_rate, 0, value);
      } catch (error) {
        this._tell(error.message);
      }
    }

    /** What is wrong with the learning rate that is written there, if anything. */
    _tell(problem) {
      page.tellIn(this.problem, problem || "");
      this.rate.toggleAttribute("aria-invalid", Boolean(problem));
    }
  };
})();
