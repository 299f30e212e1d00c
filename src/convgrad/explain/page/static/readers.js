"use strict";
/* What the chosen number goes into, as buttons; of very many their number. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const SHOWN = 12;

  const button = (app, name, place) => {
    const tensor = app.trace.tensor(name);
    return h(
      "button",
      {
        type: "button",
        class: "reader",
        "data-tensor": name,
        "data-flat": place,
        onclick: (event) => app.follow(name, place, event.detail === 0),
      },
      h("span", { class: "element" }, page.elementName(name, tensor.shape, place)),
      " ",
      h("span", { class: "number" }, page.typeset(tensor.written(tensor.values[place]))),
    );
  };

  const listed = (app, name, places) => {
    const row = h(
      "div",
      { class: "reader-row" },
      places.slice(0, SHOWN).map((place) => button(app, name, place)),
    );
    if (places.length <= SHOWN) return row;
    const more = h(
      "button",
      {
        type: "button",
        class: "small",
        onclick: () => {
          more.replaceWith(...places.slice(SHOWN).map((place) => button(app, name, place)));
          row.children[SHOWN].focus();
        },
      },
      `Show all ${places.length}`,
    );
    row.append(more);
    return row;
  };

  const group = (app, { tensor, count, counts, zeros }) => {
    const size = app.trace.tensor(tensor).size;
    if (counts === null) {
      const all = count === size ? `all ${count.toLocaleString("en")}` : count.toLocaleString("en");
      return h("p", { class: "hint" }, `${all} elements of ${tensor}`);
    }
    const words = `${zeros.length} more of ${tensor}, where its term is 0`;
    const folded = zeros.length
      ? h("details", { class: "zeros" }, h("summary", {}, words), listed(app, tensor, zeros))
      : null;
    return [counts.length ? listed(app, tensor, counts) : null, folded];
  };

  /** "Goes into" and what it goes into; nothing where that is nothing. */
  page.readersOf = (app, chosen) => {
    const tensor = app.trace.tensor(chosen.name);
    const found = app.trace.goesInto(chosen.name, page.indexOf(tensor.shape, chosen.flat));
    if (!found.length) return null;
    return h(
      "div",
      { class: "readers" },
      h("h3", {}, "Goes into"),
      found.map((readers) => group(app, readers)),
    );
  };
})();
