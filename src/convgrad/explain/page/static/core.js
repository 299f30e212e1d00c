// A training step's numbers in the browser: every tensor from its definition, computed when asked for, each element
// explained. The definitions come from the equations (convgrad/explain/page/model.py); no formula stands in this file.
(() => {
  "use strict";
  const { core } = globalThis.convgrad;

  /** One tensor as the page sees it. `values` are computed when asked for and kept until something before changes. */
  class Tensor {
    constructor(trace, about) {
      const { name, shape, role, lens, layer, block, derivation, equation, latex, letters } = about;
      Object.assign(this, { name, shape, role, lens, layer, block, derivation, equation, latex, letters });
      const { indices, shows, editable, classes } = about;
      Object.assign(this, { indices, shows, editable, classes });
      this.trace = trace;
      this.definition = about.definition && { ...about.definition, term: decoded(about.definition.term) };
      this.size = shape.reduce((a, b) => a * b, 1);
      this.delta = about.delta;
    }

    get values() {
      return this.trace.valuesOf(this.name);
    }

    get pinned() {
      return this.definition !== null && this.trace.kept.has(this.name);
    }

    get given() {
      return this.definition === null && this.shows === null;
    }

    /** How its numbers came about, in a word or two. */
    get status() {
      if (this.trace.deltas.has(this.name)) return "a delta that was given";
      if (this.pinned) return "pinned";
      return this.given ? "given" : "computed";
    }

    /** A number of this tensor as people write it: given ones with as many decimals as all of them need. */
    written(value) {
      return core.written(value, this.ownDecimals, this.trace.model.tolerance);
    }

    /** The decimals that given numbers have in common; null: each has its own. */
    get ownDecimals() {
      const { values } = this;
      if (this.decimalsOf !== values) {
        this.decimalsOf = values;
        const own = this.pinned || this.given;
        this.decimals = own ? core.commonDecimals(values, this.trace.model.tolerance) : null;
      }
      return this.decimals;
    }

    flat(index) {
      return index.reduce((place, i, axis) => place * this.shape[axis] + i, 0);
    }

    unflat(place) {
      const index = [];
      for (let axis = this.shape.length - 1; axis >= 0; axis--) {
        index.unshift(place % this.shape[axis]);
        place = Math.floor(place / this.shape[axis]);
      }
      return index;
    }

    /** The value at an index; null where there is none. */
    at(index) {
      if (index.some((i, axis) => i < 0 || i >= this.shape[axis])) return null;
      return this.values[this.flat(index)];
    }
  }

  /** A step of a network: `model` as convgrad/explain/page/model.py makes it. */
  class Trace {
    constructor(model) {
      this.model = model;
      this.tensors = new Map(model.tensors.map((about) => [about.name, new Tensor(this, about)]));
      this.names = [...this.tensors.keys()];
      this.shapes = new Map(model.tensors.map(({ name, shape }) => [name, shape]));
      this.programs = new Map();
      this.onchange = () => {};
      this.readers = new Map(this.names.map((name) => [name, []]));
      for (const [name, tensor] of this.tensors) {
        for (const read of tensorsRead(tensor.definition?.term)) this.readers.get(this.root(read))?.push(name);
      }
      this.restore();
    }

    has(name) {
      return this.tensors.has(name);
    }

    /** Throws an Error where there is none. */
    tensor(name) {
      const found = this.tensors.get(name);
      if (!found) throw new Error(`There is no tensor \`${name}\`.`);
      return found;
    }

    written(name, value) {
      return this.tensor(name).written(value);
    }

    /** The loss, of a batch the mean; null where no target is given. */
    get loss() {
      return this.model.loss === null ? null : this.valuesOf(this.model.loss)[0];
    }

    /** The names of tensors whose values were given in place of what their equations say. */
    get pins() {
      return this.names.filter((name) => this.tensor(name).pinned);
    }

    explain(name, index) {
      const tensor = this.tensor(name);
      const fits =
        index.length === tensor.shape.length &&
        index.every((i, n) => Number.isInteger(i) && i >= 0 && i < tensor.shape[n]);
      if (!fits) throw new Error(`${name} has no element [${index}]. The legal range is ${legal(tensor)}.`);
      return new core.Explanation(this, tensor, index).toData();
    }

    /** Change one number. A tensor that was computed is pinned by it: all its numbers stay as they are now. */
    set(name, place, value) {
      const values = Float64Array.from(this.tensor(name).values);
      if (!(place in values)) throw new Error(`${name} has ${values.length} numbers; there is no number ${place}.`);
      values[place] = value;
      this.setAll(name, values);
    }

    setAll(name, values) {
      this.put(name, values);
      this.onchange();
    }

    /** Compute a tensor again from its equation. */
    unpin(name) {
      if (!this.tensor(name).pinned) throw new Error(`\`${name}\` is not pinned.`);
      const lacks = this.missing(name);
      if (lacks !== null) throw new Error(`\`${name}\` can't be computed without \`${lacks}\`, which was not given.`);
      this.kept.delete(name);
      this.deltas.delete(name);
      this.forget(name);
      this.onchange();
    }

    /** Back to the model's numbers. */
    reset() {
      this.restore();
      this.onchange();
    }

    /** Parameters and what else is carried along take their next values. Returns the loss before. */
    step() {
      const before = this.loss;
      const next = this.model.updates.map(([from, to]) => [to, Float64Array.from(this.valuesOf(from))]);
      this.steps += 1;
      for (const [name, each] of Object.entries(this.model.each_step))
        next.push([name, [each[this.steps % each.length]]]);
      for (const [name, values] of next) this.put(name, values);
      this.onchange();
      return before;
    }

    /** The name of what a tensor without equation is read instead of, where it shows another one. */
    root(name) {
      const shows = this.tensors.get(name)?.shows ?? null;
      return shows === null ? name : this.root(shows);
    }

    /** What a tensor's equation lacks, the target of given deltas, say; null where it can be computed. */
    missing(name) {
      const reads = tensorsRead(this.tensor(name).definition?.term);
      return reads.find((read) => !this.tensors.has(read)) ?? null;
    }

    valuesOf(name) {
      const source = this.root(name);
      const known = this.kept.get(source) ?? this.computed.get(source);
      if (known) return known;
      const tensor = this.tensor(source);
      for (const read of tensorsRead(tensor.definition.term)) this.valuesOf(read); // before this one's loops run
      if (!this.programs.has(source)) this.programs.set(source, core.compile(tensor.definition, this.shapes));
      const values = this.programs.get(source)((read) => this.valuesOf(read));
      this.computed.set(source, values);
      return values;
    }

    restore() {
      this.steps = 0;
      this.kept = new Map(); // what is given or pinned
      this.computed = new Map();
      this.deltas = new Set();
      for (const { name, values, delta } of this.model.tensors) {
        if (values !== undefined) this.kept.set(name, Float64Array.from(values, number));
        if (delta) this.deltas.add(name);
      }
    }

    put(name, values) {
      const tensor = this.tensor(name);
      if (tensor.shows !== null) throw new Error(`\`${name}\` shows the numbers of \`${tensor.shows}\`; change that.`);
      if (values.length !== tensor.size)
        throw new Error(`${name} has ${tensor.size} numbers, but got ${values.length}.`);
      for (const value of values) {
        if (typeof value !== "number" || !Number.isFinite(value))
          throw new Error(`${name} takes finite numbers, not ${value}.`);
        if (tensor.classes && !(Number.isInteger(value) && value >= 0 && value < tensor.classes)) {
          throw new Error(`${name} takes a label, 0..${tensor.classes - 1}, not ${value}.`);
        }
      }
      this.kept.set(name, Float64Array.from(values));
      this.forget(name);
    }

    /** Drop what was computed from a tensor; where values are given, nothing changes behind them. */
    forget(name) {
      const pending = [name];
      const seen = new Set(pending);
      while (pending.length) {
        const changed = pending.pop();
        this.computed.delete(changed);
        for (const reader of this.readers.get(changed) ?? []) {
          if (seen.has(reader) || this.kept.has(reader)) continue;
          seen.add(reader);
          pending.push(reader);
        }
      }
    }
  }

  /** JSON has no infinity: it is written "inf". */
  function number(value) {
    return { inf: Infinity, "-inf": -Infinity, nan: NaN }[value] ?? value;
  }

  function decoded(term) {
    const found = { ...term, parts: (term.parts ?? []).map(decoded) };
    for (const key of ["value", "outside"]) if (key in term) found[key] = number(term[key]);
    return found;
  }

  function tensorsRead(term) {
    if (!term) return [];
    const own = term.kind === "access" ? [term.tensor] : [];
    return [...new Set([...own, ...term.parts.flatMap(tensorsRead)])];
  }

  function legal({ name, shape }) {
    return shape.length ? `${name}[${shape.map((size) => `0..${size - 1}`)}]` : name;
  }

  Object.assign(globalThis.convgrad, { Trace });
})();
