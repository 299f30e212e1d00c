"use strict";
/* Everything that a definition reads for an element, whichever branch counts and whatever the numbers are: the window
 * that slides. What a number was made from is a part of it (core/notes.js). */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { core } = convgrad;

  const within = (index, shape) =>
    index.every((place, axis) => Number.isInteger(place) && place >= 0 && place < shape[axis]);

  /** tensor -> places of an element, added to what is `found` already. */
  page.reachOf = (trace, name, flat, found = new Map()) => {
    const { definition, shows, shape, sizes } = trace.tensor(name);
    const put = (tensor, place) => {
      if (!found.has(tensor)) found.set(tensor, new Set());
      found.get(tensor).add(place);
    };
    if (!definition) {
      if (shows !== null) put(shows, flat);
      return found;
    }
    const at = {};
    page.indexOf(shape, flat).forEach((place, axis) => (at[definition.indices[axis]] = place));
    const walk = (term) => {
      if (term.kind === "access") {
        const index = term.positions.map((position) => core.place(position, at));
        const own = trace.tensor(term.tensor).shape;
        if (within(index, own)) put(term.tensor, page.flatOf(own, index));
      } else if (term.kind === "reduce") loop(term, 0);
      else term.parts.forEach(walk);
    };
    const loop = (term, n) => {
      if (n === term.indices.length) term.parts.forEach(walk);
      else {
        const index = term.indices[n];
        for (let place = 0; place < sizes[index]; place += 1) {
          at[index] = place;
          loop(term, n + 1);
        }
        delete at[index];
      }
    };
    walk(definition.term);
    return found;
  };
})();
