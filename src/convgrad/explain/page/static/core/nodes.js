// A term at one element of its tensor, with numbers: the same tree, its sums and choices written out.
// The kinds of nodes are those of convgrad/explain/trace/nodes.py.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  function node(kind, value, children = [], more = {}) {
    return { kind, value, children, ...more };
  }

  function read(value, tensor, index, inside = true) {
    return node("read", value, [], { tensor, index, inside });
  }

  /** `at`: index -> value; `sizes`: index -> size; `valueAt` (tensor, index) -> number, null where there is none. */
  function grow(term, at, sizes, valueAt) {
    const inner = (part) => grow(part, at, sizes, valueAt);
    if (term.kind === "access") return access(term, at, valueAt);
    if (term.kind === "reduce") return reduction(term, at, sizes, valueAt);
    if (term.kind === "call" && term.function === "where") return choice(term, inner);
    if (term.kind === "number") return node("constant", term.value);
    if (term.kind === "index") return node("constant", core.evaluated(term.polynomial, at));
    const parts = term.parts.map(inner);
    const values = parts.map((part) => part.value);
    switch (term.kind) {
      case "negate":
        return node("negative", -values[0], parts);
      case "add":
        return node(
          "total",
          values.reduce((a, b) => a + b),
          parts,
          { loop: false },
        );
      case "multiply":
        return node(
          "product",
          values.reduce((a, b) => a * b),
          parts,
        );
      case "divide":
        return node("quotient", values[0] / values[1], parts);
      case "power":
        return node("raised", core.power(values[0], term.exponent), parts, { exponent: term.exponent });
      case "call":
        return called(term.function, values, parts);
      default:
        throw new TypeError(`${term.kind} has no value of its own.`);
    }
  }

  function called(name, values, parts) {
    const value = core.FUNCTIONS[name](...values);
    if (name !== "max" && name !== "min") return node("applied", value, parts, { function: name });
    const first = name === "max" ? values[0] > values[1] : values[0] < values[1];
    return node("extreme", value, parts, { extreme: name, winner: first ? 0 : 1 });
  }

  function access(term, at, valueAt) {
    const index = term.positions.map((position) => core.place(position, at));
    const value = index.every(Number.isInteger) ? valueAt(term.tensor, index) : null;
    return value === null ? read(term.outside ?? NaN, term.tensor, index, false) : read(value, term.tensor, index);
  }

  function reduction(term, at, sizes, valueAt) {
    const inner = { ...at }; // a node keeps none of it, so that one does for all
    const parts = places(term.indices.map((index) => sizes[index])).map((place) => {
      term.indices.forEach((index, n) => (inner[index] = place[n]));
      return grow(term.parts[0], inner, sizes, valueAt);
    });
    const values = parts.map((part) => part.value);
    const kind = term.reduction;
    if (kind === "sum" || kind === "mean") {
      const total = node(
        "total",
        values.reduce((a, b) => a + b, 0),
        parts,
        { loop: true },
      );
      if (kind === "sum") return total;
      return node("quotient", total.value / parts.length, [total, node("constant", parts.length)]);
    }
    const winner = core.firstExtreme(values, kind.endsWith("max"));
    return node("extreme", kind.startsWith("arg") ? winner : values[winner], parts, { extreme: kind, winner });
  }

  function choice(term, inner) {
    const [condition, ...branches] = term.parts;
    const [left, right] = condition.parts.map(inner);
    const holds = core.COMPARISONS[condition.operator](left.value, right.value);
    const taken = inner(branches[holds ? 0 : 1]);
    const { operator } = condition;
    return node("choice", taken.value, [left, right, taken], { left, right, taken, holds, operator });
  }

  /** All indices of a shape in row-major order. */
  function places(shape) {
    return shape.reduce(
      (found, size) => found.flatMap((place) => Array.from({ length: size }, (_, i) => [...place, i])),
      [[]],
    );
  }

  /** The node and all parts of it, left to right. */
  function* below(node) {
    yield node;
    for (const child of node.children) yield* below(child);
  }

  /** Without those that are the same reading of the same element. */
  function distinct(reads) {
    const found = new Map();
    for (const r of reads) {
      const key = `${r.tensor}|${r.index}|${r.inside}|${r.value}`;
      if (!found.has(key)) found.set(key, r);
    }
    return [...found.values()];
  }

  /** The elements of tensors that the node's value is made of, left to right, each once. */
  function reads(node) {
    return distinct([...below(node)].filter((part) => part.kind === "read"));
  }

  Object.assign(core, { grow, read, below, reads, distinct });
})();
