"use strict";
/* The elements that a number was made from, as buttons: the terms of its sum, and whatever else was read. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const SHOWN = 24;

  /** A button that goes on to an element. kind: the class of its mark in the network. */
  page.sourceButton = (app, name, flat, kind, written) => {
    const tensor = app.trace.tensor(name);
    const attributes = {
      type: "button",
      class: `source ${kind}`,
      "data-tensor": name,
      "data-flat": flat,
      onclick: (event) => app.follow(name, flat, event.detail === 0),
    };
    return h(
      "button",
      attributes,
      h("span", { class: "element" }, page.elementName(name, tensor.shape, flat)),
      " ",
      h("span", { class: "number" }, page.typeset(written)),
    );
  };

  const factorNode = (app, marks, factor) => {
    if (!factor.tensor || !factor.index) {
      const value = page.typeset(convgrad.page.plain(factor.value));
      return h(
        "span",
        { class: "constant" },
        factor.expression && factor.expression !== value ? `${factor.expression} = ${value}` : value,
      );
    }
    const shape = app.trace.tensor(factor.tensor).shape;
    const written = app.trace.written(factor.tensor, factor.value);
    if (factor.outside) return h("span", { class: "constant" }, `outside ${page.typeset(page.plain(factor.value))}`);
    const flat = page.flatOf(shape, factor.index);
    const mark = marks.get(factor.tensor) && marks.get(factor.tensor).get(flat);
    return page.sourceButton(app, factor.tensor, flat, mark ? mark.kind : "c", written);
  };

  /** A number of a term: six digits, no tail of binary fractions. */
  page.plain = (value) => {
    const number = value ?? NaN;
    return Number.isFinite(number) ? String(Number(number.toPrecision(6))) : convgrad.core.special(number);
  };

  const termRow = (app, marks, term, number) => {
    const factors = term.factors.map((factor, n) => [
      n ? h("span", { class: "times", "aria-label": "times" }, "\u00d7") : null,
      factorNode(app, marks, factor),
    ]);
    const value = h("span", { class: "term-value" }, "= ", page.typeset(page.plain(term.value)));
    const row = h(
      "li",
      { class: "term" },
      h("span", { class: "badge", "aria-hidden": "true" }, number || ""),
      h("span", { class: "factors" }, factors),
      term.factors.length > 1 ? value : null,
    );
    const point = (on) => () => app.point(on ? term.factors : null);
    row.addEventListener("mouseenter", point(true));
    row.addEventListener("mouseleave", point(false));
    row.addEventListener("focusin", point(true));
    row.addEventListener("focusout", point(false));
    return row;
  };

  const limited = (items, make, words) => {
    const list = h("ol", { class: "terms" }, items.slice(0, SHOWN).map(make));
    if (items.length <= SHOWN) return [list];
    const more = h(
      "button",
      {
        type: "button",
        onclick: () => {
          list.append(...items.slice(SHOWN).map((item, n) => make(item, SHOWN + n)));
          list.children[SHOWN].querySelector("button")?.focus();
          more.remove();
        },
      },
      `Show all ${items.length} ${words}`,
    );
    return [list, more];
  };

  const readsOf = (factor) => (factor.tensor ? [factor] : factor.reads || []);

  /** Everything below the formulas: terms, terms that are 0, and what else was read. */
  page.sourcesOf = (app, explanation, marks, chosen) => {
    const terms = page
      .termsOf(explanation)
      .filter(
        (term) =>
          !term.factors.every(
            (factor) =>
              factor.tensor === chosen.name &&
              factor.index &&
              page.flatOf(app.trace.tensor(factor.tensor).shape, factor.index) === chosen.flat,
          ),
      );
    const telling = terms.filter((term) => term.value !== 0);
    const zeros = terms.filter((term) => term.value === 0);
    const key = (tensor, index) => `${tensor}[${index}]`;
    const { shape } = app.trace.tensor(chosen.name);
    const ownKey = key(chosen.name, page.indexOf(shape, chosen.flat));
    const inTerms = new Set(
      telling
        .flatMap((term) => term.factors)
        .filter((factor) => factor.tensor && factor.index)
        .map((factor) => key(factor.tensor, factor.index)),
    );
    const isItself = (source) => source.tensor === chosen.name && key(source.tensor, source.index) === ownKey;
    const others = (explanation.madeFrom || []).filter(
      (source) => !isItself(source) && !inTerms.has(key(source.tensor, source.index)),
    );
    const found = [];
    if (telling.length) {
      const title = telling.length === 1 ? "Made from" : `${telling.length} terms, added up`;
      found.push(
        h("h3", {}, title),
        ...limited(telling, (term, n) => termRow(app, marks, term, telling.length > 1 ? n + 1 : ""), "terms"),
      );
    }
    if (others.length) {
      const button = (source) => {
        const flat = page.flatOf(app.trace.tensor(source.tensor).shape, source.index);
        const mark = marks.get(source.tensor)?.get(flat);
        return h(
          "li",
          { class: "term" },
          page.sourceButton(app, source.tensor, flat, mark ? mark.kind : "c", source.written),
          h("span", { class: "status" }, source.status),
        );
      };
      found.push(h("h3", {}, telling.length ? "Also read" : "Made from"), ...limited(others, button, "elements"));
    }
    const folded = zeros.filter((term) => term.factors.some((factor) => readsOf(factor).length));
    const words = explanation.notes.find(({ kind }) => kind === "zeros")?.words;
    if (!folded.length && words) found.push(h("p", { class: "hint" }, words));
    if (folded.length) {
      const details = h(
        "details",
        { class: "zeros" },
        h("summary", {}, words || (folded.length === 1 ? "1 term is 0" : `${folded.length} terms are 0`)),
      );
      details.addEventListener("toggle", () => {
        if (details.open && details.children.length === 1)
          details.append(...limited(folded, (term) => termRow(app, marks, term, ""), "terms"));
      });
      found.push(details);
    }
    return found;
  };
})();
