"use strict";
/* Why a class has its probability: from there to its score, and on along the greatest term of each number, to a pixel. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const MOST = 64;

  /** The number that the term which adds the most is calculated with, no weight: {name, flat, term, of}; of a view what it
   * shows. Numbers of the forward pass come before those that only the loss needs. */
  const strongest = (trace, { name, flat }) => {
    const explanation = trace.explain(name, page.indexOf(trace.tensor(name).shape, flat));
    const terms = page.termsOf(explanation).slice().sort((a, b) => b.value - a.value);
    const factors = terms.flatMap((term) =>
      term.factors
        .filter((factor) => factor.tensor && factor.index && !factor.outside)
        .map((factor) => ({ ...factor, term, role: trace.tensor(trace.root(factor.tensor)).role })),
    );
    const found = ["forward", "given"].map((role) => factors.find((factor) => factor.role === role)).find(Boolean);
    if (!found) return null;
    const own = page.flatOf(trace.tensor(found.tensor).shape, found.index);
    return { name: trace.root(found.tensor), flat: own, term: found.term, of: terms.length };
  };

  /** The probability of class k, its score, and the way from there, up to a pixel. term: what adds to the one before. */
  page.wayTo = (trace, k) => {
    const way = [
      { name: "loss.dz", flat: k },
      { name: "loss.z", flat: k },
    ];
    while (way.length < MOST) {
      const next = strongest(trace, way[way.length - 1]);
      if (!next || way.some(({ name }) => name === next.name)) break;
      way.push(next);
      if (next.name === "input") break;
    }
    return way;
  };

  const sign = (value) => page.typeset(page.plain(value));

  page.Why = class {
    constructor(app) {
      this.app = app;
      this.element = h("section", { class: "why", "aria-label": "Where the answer comes from", hidden: true });
    }

    clear() {
      this.element.hidden = true;
      this.way = null;
    }

    /** From the probability of class k; other: the class that it is compared with, or null. */
    start(k, other) {
      const { trace } = this.app;
      this.way = page.wayTo(trace, k);
      this.k = k;
      this.other = other;
      this.buttons = this.way.map((_, n) =>
        h("button", { type: "button", class: "why-step", onclick: () => this.go(n) }, ...this._words(n)),
      );
      this.next = h("button", { type: "button", class: "small primary", id: "why-next", onclick: () => this.go(this.at + 1) });
      this.element.replaceChildren(
        h("h3", {}, other === null ? `Why ${k}?` : `Why ${k}, and not ${other}?`),
        h("ol", {}, this.buttons.map((button) => h("li", {}, button))),
        h("div", { class: "actions" }, this.next),
      );
      this.element.hidden = false;
      this.go(0);
    }

    /** The first n + 1 of the way become the page's trail. */
    go(n) {
      const { app } = this;
      this.at = n;
      const [first, ...rest] = this.way.slice(0, n + 1);
      app.trail = [];
      if (!app.network.shows(first.name)) app.look("backward");
      app.explain(first.name, first.flat);
      for (const { name, flat } of rest) app.follow(name, flat, false);
      this.buttons.forEach((button, m) => {
        if (m === n) button.setAttribute("aria-current", "step");
        else button.removeAttribute("aria-current");
      });
      const last = n === this.way.length - 1;
      this.next.disabled = last;
      this.next.textContent = last ? "At the input" : `Further: ${this._name(n + 1)}`;
    }

    _name(n) {
      const { name, flat } = this.way[n];
      return page.elementName(name, this.app.trace.tensor(name).shape, flat);
    }

    _words(n) {
      const { trace } = this.app;
      const { name, flat, term, of } = this.way[n];
      const value = trace.tensor(name).values[flat];
      const own = [h("span", { class: "element" }, this._name(n)), ` = ${sign(value)}`];
      const about = (words) => [...own, h("span", { class: "about" }, words)];
      if (n === 0) {
        const target = trace.tensor("target").values[0];
        return about(flat === target ? "its probability less 1: it is the target" : `its probability, ${page.percent(value)}`);
      }
      const compared = this.other === null ? "" : `; that of ${this.other} is ${sign(trace.tensor(name).values[this.other])}`;
      if (n === 1) return about(`its score less the greatest${compared}`);
      if (n === 2) return about(`its score${compared}`);
      if (name === "input") return about("a pixel");
      if (of === 1) return about("the only one that counts");
      const weight = term.factors.find((factor) => factor.tensor && trace.tensor(factor.tensor).role === "parameter");
      const times = weight ? `times ${weight.tensor}[${weight.index}] = ${sign(weight.value)} ` : "";
      return about(`${times}adds ${sign(term.value)}, the most of ${of} terms`);
    }
  };
})();
