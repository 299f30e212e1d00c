"use strict";
/* What a caption says in numbers, read from a trace; and its words as elements of the page. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const ELEMENT = /^([\w.']+)(?:\[([\d,]*)\])?$/;
  const MARKED = /(\{[^}]+\})/;

  /** {name, index, flat} of "conv1.dw[0,0]". */
  page.elementOf = (trace, element) => {
    const [, name, inside] = ELEMENT.exec(element);
    const index = inside ? inside.split(",").map(Number) : [];
    return { name, index, flat: page.flatOf(trace.tensor(name).shape, index) };
  };

  /** Numbers of a trace, for sentences. */
  page.See = class {
    constructor(trace) {
      this.trace = trace;
    }

    /** The element with its explanation. */
    explained(element) {
      const { name, index } = page.elementOf(this.trace, element);
      return this.trace.explain(name, index);
    }

    value(element) {
      const { name, flat } = page.elementOf(this.trace, element);
      return this.trace.tensor(name).values[flat];
    }

    written(element) {
      return page.typeset(this.explained(element).written);
    }

    /** "5×5", or "2". */
    size(name) {
      return this.trace.tensor(name).shape.join("\u00d7");
    }

    count(name) {
      return this.trace.tensor(name).values.length;
    }

    /** All numbers of a tensor: "0.89 and −0.03". */
    all(name) {
      const tensor = this.trace.tensor(name);
      return page.listed(Array.from(tensor.values, (value) => page.typeset(tensor.written(value))));
    }

    /** Of an element's terms those that are not 0. */
    terms(element) {
      return page.termsOf(this.explained(element)).filter(({ value }) => value !== 0);
    }

    /** Of all its terms those that read outside of a tensor. */
    outside(element) {
      return page.termsOf(this.explained(element)).filter(({ factors }) => factors.some(({ outside }) => outside));
    }

    /** Of the numbers that an element was made from the greatest, of equal ones the first: the winner of a maximum. */
    winner(element) {
      return this.explained(element).madeFrom.reduce((best, source) => (source.value > best.value ? source : best));
    }

    /** The same numbers with the published ones pinned, or not. */
    published(on) {
      const twin = new convgrad.Trace(this.trace.model);
      twin.pin(on);
      return new page.See(twin);
    }

    /** The element with its equation's numbers put in, as a formula. */
    sum(element) {
      const { latex } = this.explained(element);
      const { name, index } = page.elementOf(this.trace, element);
      const lines = page.latexLines(latex);
      const numbers = page.breakable(lines[lines.length - 1]).replace(/^.*?= /, "= ");
      return page.formula(`${convgrad.core.elementLatex(name, index)} ${numbers}`);
    }
  };

  /** Sentences as elements. {conv1.x[1,1]} is a name to press, {conv1.x} a name, {=conv1.x[1,1]} the number there; a
   * sentence that is {sum conv1.x[1,1]} is the formula with its numbers. app: whose page it is. */
  page.sentences = (app, see, texts) =>
    texts.filter(Boolean).map((text) => {
      const [, summed] = /^\{sum (.+)\}$/.exec(text) || [];
      if (summed) {
        const formula = h("div", { class: "scrolled", tabindex: "0", role: "group", "aria-label": "With its numbers" });
        formula.append(see.sum(summed));
        return h("div", { class: "tour-sum", "data-at": summed }, formula);
      }
      return h(
        "p",
        {},
        text.split(MARKED).map((part) => marked(app, see, part)),
      );
    });

  const marked = (app, see, part) => {
    if (!part.startsWith("{")) return part;
    const inside = part.slice(1, -1);
    if (inside.startsWith("=")) return h("strong", { class: "tour-number", "data-at": inside.slice(1) }, see.written(inside.slice(1)));
    if (!inside.includes("[") && see.trace.tensor(inside).shape.length) return h("code", {}, inside);
    const { name, index, flat } = page.elementOf(see.trace, inside);
    return h(
      "button",
      {
        type: "button",
        class: "tour-element element",
        onclick: () => app.tour.touch(name, flat),
        onmouseenter: () => app.tour.isOpen(see.trace) && app.point([{ tensor: name, index }]),
        onmouseleave: () => app.point(null),
      },
      inside,
    );
  };
})();
