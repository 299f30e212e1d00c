// Where the number of an element comes from: the same texts and terms as convgrad/explain/element.py gives.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  /** Whether a tensor has an equation, and all that it reads. */
  function isComputable(trace, tensor) {
    return tensor.definition !== null && trace.missing(tensor.name) === null;
  }

  /** An element itself; of a view, the one that it shows. */
  function given(trace, tensor, index) {
    const flat = tensor.flat(index);
    const { shows } = tensor;
    if (shows === null) return core.read(tensor.values[flat], tensor.name, index);
    return core.read(tensor.values[flat], shows, trace.tensor(shows).unflat(flat));
  }

  /** What an element is computed from, as a tree (core/nodes.js). */
  function nodeOf(trace, tensor, index) {
    if (!isComputable(trace, tensor)) return given(trace, tensor, index);
    const { indices, term } = tensor.definition;
    const at = {};
    indices.forEach((name, n) => (at[name] = index[n]));
    return core.grow(term, at, tensor.sizes, (name, place) => trace.tensor(name).at(place));
  }

  class Explanation {
    constructor(trace, tensor, index) {
      Object.assign(this, { trace, tensor, index });
      this.name = core.elementText(tensor.name, index);
      this.value = tensor.values[tensor.flat(index)];
      this.definition = tensor.definition;
      this.isComputable = isComputable(trace, tensor);
      this.node = core.nodeOf(trace, tensor, index);
      this.written = tensor.written(this.value);
      this.computed = tensor.pinned && this.isComputable ? core.writtenAlone(this.node.value) : this.written;
    }

    given() {
      return given(this.trace, this.tensor, this.index);
    }

    get withIndices() {
      if (this.definition === null) {
        const given = this.given();
        return `${this.name} = ${core.elementText(given.tensor, given.index)}`;
      }
      return `${this.name} = ${core.text(this.tidied)}`;
    }

    /** The equation's right side with the values of the indices put in. */
    get tidied() {
      const at = {};
      this.definition.indices.forEach((name, n) => (at[name] = this.index[n]));
      return core.withIndices(this.definition.term, at);
    }

    reading = (read) => {
      if (read.inside) return this.trace.tensor(read.tensor).written(read.value);
      return read.value === 0 ? "0" : core.general(read.value);
    };

    numbers(limit = core.LIMIT) {
      return equated(new core.Writer(this.reading, { limit }).text(this.node), this.computed);
    }

    get substituted() {
      if (this.definition === null && this.tensor.shows === null) return `${this.name} = ${this.written}`;
      const { status } = this.tensor;
      if (this.tensor.pinned && !this.isComputable) return `${this.name} = ${this.written}, ${status}`;
      const computed = `${this.withIndices} = ${this.numbers(null)}`;
      return this.tensor.pinned ? `${this.name} = ${this.written}, ${status}; its equation: ${computed}` : computed;
    }

    /** What there is to say about the number, in words; whoever looks for something asks for the kind. */
    get notes() {
      const found = [];
      if (this.tensor.pinned && this.computed !== this.written) {
        const words = `${this.name} is ${this.tensor.status}: ${this.written} stands in its place.`;
        found.push({ kind: "pin", words, text: words });
      }
      const leftOut = this.leftOut;
      if (leftOut.length) {
        const zeros = leftOut.length === 1 ? "1 term is 0" : `${leftOut.length} terms are 0`;
        const outside = leftOut.filter((part) => !core.reads(part).every((read) => read.inside)).length;
        const words = outside ? `${zeros}, ${outside} of them read outside` : zeros;
        found.push({ kind: "zeros", words, text: `(${words})` });
      }
      const told = new Set(core.decisions(this.node).map((node) => core.note(node, this.reading)));
      return [...found, ...[...told].map((words) => ({ kind: "decision", words, text: words }))];
    }

    /** The terms of the equation's first sum that are 0. */
    get leftOut() {
      for (const node of core.below(this.node)) {
        if (node.kind === "total" && node.loop) return node.children.filter((part) => part.value === 0);
      }
      return [];
    }

    get latex() {
      const name = core.elementLatex(this.tensor.name, this.index);
      const lines = [];
      if (this.isComputable) {
        const indices = this.definition.indices.map((index) => core.nameLatex(index)).join(",");
        lines.push(`${core.nameLatex(this.tensor.name, indices)} &= ${core.definedLatex(this.definition.term)}`);
        if (this.index.length) lines.push(`${name} &= ${core.definedLatex(this.tidied)}`);
      } else if (this.tensor.shows !== null) {
        const given = this.given();
        lines.push(`${name} &= ${core.elementLatex(given.tensor, given.index)}`);
      }
      lines.push(`${lines.length ? "" : name} &= ${this.latexNumbers}`.trim());
      return `\\begin{aligned}\n${lines.join(" \\\\\n")}\n\\end{aligned}`;
    }

    get latexNumbers() {
      const computed = new core.Writer(() => this.computed, { latex: true }).text(this.given());
      return equated(new core.Writer(this.reading, { latex: true }).text(this.node), computed);
    }

    get madeFrom() {
      return core
        .counting(this.node)
        .filter((read) => read.inside)
        .map((read) => {
          const tensor = this.trace.tensor(read.tensor);
          const value = tensor.at(read.index);
          const element = core.elementText(read.tensor, read.index);
          return {
            element,
            tensor: read.tensor,
            index: read.index,
            value,
            written: tensor.written(value),
            status: tensor.status,
          };
        });
    }

    toData() {
      const ofEquation = core.terms(this.node);
      const data = {
        element: this.name,
        equation: this.tensor.equation,
        substituted: this.substituted,
        terms: this.tensor.pinned ? core.terms(this.given()) : ofEquation,
        value: this.value,
      };
      if (this.tensor.pinned)
        Object.assign(data, { pinned: true, computed: this.node.value, terms_of_equation: ofEquation });
      return Object.assign(data, {
        status: this.tensor.status,
        written: this.written,
        indices: this.withIndices,
        numbers: this.numbers(),
        latex: this.latex,
        notes: this.notes,
        madeFrom: this.madeFrom,
      });
    }
  }

  function equated(numbers, value) {
    // One number may be written with more and with fewer zeros.
    return numbers === value || Number(numbers) === Number(value) ? value : `${numbers} = ${value}`;
  }

  Object.assign(core, { nodeOf, Explanation });
})();
