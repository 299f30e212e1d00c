// What an element goes into: the elements of other tensors whose equations read it. For each access, the places whose
// positions give the element's index are solved for; which of them it counts in is what their explanations say.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  /** More readers in one tensor than this, or more terms in all of them, are counted and not listed. */
  const LISTED = 48;
  const TERMS = 20000;

  /** Calls found with the values of the indices in `positions` for which they are `index`. */
  function solve(positions, index, sizes, found, known = {}, axis = 0) {
    if (axis === positions.length) {
      found(known);
      return;
    }
    const { top, under } = positions[axis];
    const rest = core.substituted(top, known);
    const unknown = [...new Set(rest.flatMap(([names]) => names))];
    const wanted = index[axis] * under;
    const goOn = (more) => solve(positions, index, sizes, found, { ...known, ...more }, axis + 1);
    if (!unknown.length) {
      if (core.evaluated(rest, {}) === wanted) goOn({});
      return;
    }
    const [name] = unknown;
    if (unknown.length === 1 && rest.every(([names]) => names.length <= 1)) {
      const slope = rest.reduce((sum, [names, coefficient]) => sum + (names.length ? coefficient : 0), 0);
      const start = rest.reduce((sum, [names, coefficient]) => sum + (names.length ? 0 : coefficient), 0);
      const value = (wanted - start) / slope;
      if (Number.isInteger(value) && value >= 0 && value < sizes[name]) goOn({ [name]: value });
      return;
    }
    for (let value = 0; value < sizes[name]; value += 1)
      solve(positions, index, sizes, found, { ...known, [name]: value }, axis);
  }

  /** Calls found with each place of a tensor, where `known` says some of its indices and the others run. */
  function spread(tensor, known, found, axis = 0, place = 0) {
    if (axis === tensor.shape.length) {
      found(place);
      return;
    }
    const value = known[tensor.definition.indices[axis]];
    const size = tensor.shape[axis];
    if (value !== undefined) spread(tensor, known, found, axis + 1, place * size + value);
    else for (let n = 0; n < size; n += 1) spread(tensor, known, found, axis + 1, place * size + n);
  }

  function accesses(term, name) {
    const own = term.kind === "access" && term.tensor === name ? [term] : [];
    return [...own, ...term.parts.flatMap((part) => accesses(part, name))];
  }

  /** The places of a tensor whose equation reads an element, in order. */
  function readersIn(tensor, name, index) {
    const { sizes } = tensor;
    const places = new Set();
    for (const { positions } of accesses(tensor.definition.term, name))
      solve(positions, index, sizes, (known) => spread(tensor, known, (place) => places.add(place)));
    return [...places].sort((a, b) => a - b);
  }

  /** Terms that one element of a tensor is computed from. */
  function termsOf({ definition }) {
    const own = new Set(definition.indices);
    return definition.ranges.reduce((product, [name, size]) => (own.has(name) ? product : product * size), 1);
  }

  /** [{tensor, count, counts: places in which it counts, zeros: places in which it does not}] for each tensor that reads
   * an element; counts and zeros are null where there are too many to list.
   */
  function goesInto(trace, name, index) {
    const place = trace.tensor(name).flat(index);
    const found = [];
    for (const tensor of trace.tensors.values()) {
      if (tensor.shows === name) found.push({ tensor: tensor.name, count: 1, counts: [place], zeros: [] });
      if (tensor.definition === null || trace.missing(tensor.name) !== null) continue;
      const readers = readersIn(tensor, name, index);
      if (!readers.length) continue;
      const isListed = readers.length <= LISTED && readers.length * termsOf(tensor) <= TERMS;
      const isMadeFrom = (reader) =>
        new core.Explanation(trace, tensor, tensor.unflat(reader)).madeFrom.some(
          (source) => source.tensor === name && trace.tensor(name).flat(source.index) === place,
        );
      const counts = isListed ? readers.filter(isMadeFrom) : null;
      const zeros = isListed ? readers.filter((reader) => !counts.includes(reader)) : null;
      found.push({ tensor: tensor.name, count: readers.length, counts, zeros });
    }
    return found;
  }

  Object.assign(core, { goesInto });
})();
