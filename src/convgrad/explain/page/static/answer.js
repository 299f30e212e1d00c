"use strict";
/* What a network that tells classes apart says: a bar for the probability of each class, and its answer in words. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  /** Examples of a batch whose answers are shown. */
  const EXAMPLES = 3;

  page.percent = (share) => {
    const text = (100 * share).toFixed(1);
    if (share > 0 && text === "0.0") return "< 0.1\u2009%";
    return share < 1 && text === "100.0" ? "> 99.9\u2009%" : `${text}\u2009%`;
  };

  const greatest = (values) => values.indexOf(Math.max(...values));

  /** The probabilities that the loss makes of the network's result, an example after the other; null where it makes none. */
  page.sharesInLoss = (trace) => {
    const target = trace.has("target") ? trace.tensor("target") : null;
    if (!target?.classes || !trace.has("loss.z") || !trace.has("loss.s")) return null;
    const sums = trace.tensor("loss.s").values;
    return Array.from(trace.tensor("loss.z").values, (z, n) => Math.exp(z) / sums[Math.floor(n / target.classes)]);
  };

  /** A bar for each class, which is a button. label: the right class; leads: where a bar leads to, in words. */
  page.classBars = (shares, { label, leads, chosen }) => {
    const bar = (share, n) => {
      const is = n === label ? ", the right class" : "";
      const fill = h("span", { class: "share" });
      fill.style.width = `${Math.max(0, Math.min(100, 100 * share))}%`;
      return h(
        "button",
        {
          type: "button",
          class: `class-bar ${is ? "right" : ""}`,
          "aria-label": `Class ${n} ${page.percent(share)}${is}. ${leads}`,
          onclick: () => chosen(n),
        },
        h("span", { class: "class" }, String(n)),
        " ",
        h("span", { class: "track" }, fill),
        h("span", { class: "percent" }, page.percent(share)),
      );
    };
    return h("div", { class: "class-bars" }, shares.map(bar));
  };

  page.Answer = class {
    constructor(app) {
      this.app = app;
      app.answer = this;
      this.element = h("div", { class: "answer", role: "group", "aria-label": "Answer of the network" });
    }

    opened() {
      this.changed();
    }

    /** Where the network's result is, and the probabilities that the loss or a last softmax makes of it; or null. */
    _read() {
      const { trace, layers } = this.app;
      const result = trace.names.filter((name) => trace.tensor(name).role === "forward").pop();
      if (result === undefined) return null;
      const { values, shape } = trace.tensor(result);
      const classes = shape[shape.length - 1];
      const target = trace.has("target") ? trace.tensor("target") : null;
      const shares = page.sharesInLoss(trace);
      if (shares) return { result, classes, shares, labels: [...target.values] };
      if ([...layers.values()].pop()?.type !== "Softmax") return null;
      const labels = [];
      for (let n = 0; target && n < target.size; n += classes)
        labels.push(greatest(target.values.slice(n, n + classes)));
      return { result, classes, shares: [...values], labels };
    }

    /** After any change. */
    changed() {
      const read = this._read();
      this.element.hidden = read === null;
      this.element.replaceChildren();
      if (read === null) return;
      const examples = Math.min(EXAMPLES, read.shares.length / read.classes);
      for (let n = 0; n < examples; n += 1) {
        const shares = read.shares.slice(n * read.classes, (n + 1) * read.classes);
        this.element.append(this._words(shares, read.labels[n]), this._bars(shares, read, n));
      }
    }

    _words(shares, label) {
      const thinks = greatest(shares);
      if (!shares.every(Number.isFinite)) return h("p", { class: "thinks" }, "Its numbers are not finite.");
      const rest = label === undefined ? "" : label === thinks ? ", which is right" : `, should be ${label}`;
      return h("p", { class: `thinks ${rest && label !== thinks ? "wrong" : ""}` }, `Thinks ${thinks}${rest}`);
    }

    _bars(shares, { result, classes, labels }, example) {
      const chosen = (n) => this.app.explain(result, example * classes + n);
      return page.classBars(shares, { label: labels[example], leads: `Explain ${result}`, chosen });
    }
  };
  page.parts.unshift(page.Answer);
})();
