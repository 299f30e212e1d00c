"use strict";
/* One number as it grows: a step for each term of its sum, or for each candidate of its maximum. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { core } = convgrad;
  const ONE_SECOND = 0.9;
  const ALL_SECONDS = 8;

  const inside = (reads) => reads.filter((read) => read.tensor && read.index && read.inside !== false && !read.outside);
  const readsOf = (factors) => inside(factors.flatMap((factor) => (factor.tensor ? [factor] : factor.reads || [])));

  /** The extreme over indices that a value is, if it is one. */
  const extremeOf = (node) => {
    if (node.kind === "choice") return extremeOf(node.taken);
    return node.kind === "extreme" && node.children.length > 1 ? node : null;
  };

  const signs = (text) => (text.startsWith("-") ? `(${text})` : text);

  /** The steps of one element. They add up to its equation's value. */
  page.SumScore = class {
    constructor(trace, name, element) {
      this.trace = trace;
      this.name = name;
      this.tensor = trace.tensor(name);
      this.element = element;
      this.explanation = new core.Explanation(trace, this.tensor, page.indexOf(this.tensor.shape, element));
      const { node } = this.explanation;
      this.lit = page.litOf(trace, name, element, node);
      const extreme = extremeOf(node);
      this.parts = extreme ? this._candidates(extreme) : this._terms(node);
      this.length = this.parts.length;
      this.window = page.reachOf(trace, name, element);
    }

    get seconds() {
      return Math.min(ALL_SECONDS, this.length * ONE_SECOND);
    }

    _terms(node) {
      const all = core.terms(node);
      const telling = all.filter((term) => term.value !== 0);
      const terms = telling.length ? telling : all.slice(0, 1);
      const zeros = all.length - terms.length;
      let total = 0;
      return terms.map((term, n) => {
        total += term.value;
        const written = this._product(term);
        const left = zeros && n === terms.length - 1 ? `; ${zeros === 1 ? "1 term is" : `${zeros} terms are`} 0` : "";
        const so = terms.length > 1 ? `, ${n === terms.length - 1 ? "together" : "so far"} ${page.plain(total)}` : "";
        const which = terms.length > 1 ? `Term ${n + 1} of ${terms.length}: ` : "";
        return { reads: readsOf(term.factors), adds: page.plain(term.value), running: page.plain(total), says: `${which}${written}${so}${left}` };
      });
    }

    /** 0.0686 x 0.88 = 0.060368 */
    _product({ factors, value }) {
      const negative = factors.filter((factor) => !factor.tensor && factor.value === -1 && !factor.expression).length % 2;
      const told = factors.filter((factor) => factor.tensor || factor.value !== -1 || factor.expression);
      const text = (factor) =>
        factor.tensor && !factor.outside
          ? signs(this.trace.written(factor.tensor, factor.value))
          : signs(factor.expression ?? page.plain(factor.value));
      const product = told.map(text).join(" \u00d7 ") || "1";
      const alone = told.length < 2 && !told[0]?.expression;
      return `${negative ? "minus " : ""}${product}${alone ? "" : ` = ${page.plain(value)}`}`;
    }

    _candidates({ extreme, children, winner }) {
      const word = extreme.endsWith("max") ? "greatest" : "least";
      const better = (a, b) => (extreme.endsWith("max") ? a > b : a < b);
      let best = 0;
      return children.map((child, n) => {
        if (better(child.value, children[best].value)) best = n;
        if (n === children.length - 1) best = winner;
        const running = page.plain(extreme.startsWith("arg") ? best : children[best].value);
        const first = n ? `${word} so far ${page.plain(children[best].value)}` : "the first";
        const last = n === children.length - 1 ? `the ${word} is ${page.plain(children[best].value)}, place ${best}` : first;
        return {
          reads: inside(core.reads(child)),
          running,
          says: `Number ${n + 1} of ${children.length}: ${page.plain(child.value)}, ${last}`,
        };
      });
    }

    /** As `Score.step`; `running` is what the number has come to, `before` what it was, `adds` what this term adds. */
    step(n) {
      const { reads, running, adds = null } = this.parts[n];
      const lit = new Map();
      const moves = [];
      const place = (read) => page.flatOf(this.trace.tensor(read.tensor).shape, read.index);
      for (const read of reads) {
        const flat = place(read);
        if (!lit.has(read.tensor)) lit.set(read.tensor, new Map());
        lit.get(read.tensor).set(flat, this.lit.get(read.tensor)?.get(flat) ?? "c");
        if (moves.length < 4) moves.push({ name: read.tensor, flat, to: this.element });
      }
      const before = n ? this.parts[n - 1].running : "";
      const written = [this.element];
      return { written, explained: written, lit, moves, window: this.window, adds, before, running, soft: this.lit };
    }

    says(n) {
      const last = n === this.length - 1;
      const pinned = last && this.tensor.pinned ? `; ${this.tensor.status}: ${this.explanation.written}` : "";
      return page.typeset(`${this.parts[n].says}${pinned}`);
    }
  };
})();
