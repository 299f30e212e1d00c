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
      this.reads = tensorsRead(this.definition?.term); // names of tensors in its equation
      this.sizes = Object.fromEntries(this.definition?.ranges ?? []); // of its equation's indices
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
      const { shape } = this;
      let place = 0;
      for (let axis = 0; axis < index.length; axis += 1) {
        if (index[axis] < 0 || index[axis] >= shape[axis]) return null;
        place = place * shape[axis] + index[axis];
      }
      return this.values[place];
    }
  }

  /** What changes numbers, by the name of its method; `trace.history` writes each of them down. */
  const ACTIONS = {
    set(trace, name, place, value) {
      const values = Float64Array.from(trace.tensor(name).values);
      if (!Object.hasOwn(values, place))
        throw new Error(`${name} has ${values.length} numbers; there is no number ${place}.`);
      values[place] = value;
      trace.put(name, values);
    },
    setAll(trace, name, values) {
      trace.put(name, values);
    },
    unpin(trace, name) {
      if (!trace.tensor(name).pinned) throw new Error(`\`${name}\` is not pinned.`);
      const lacks = trace.missing(name);
      if (lacks !== null) throw new Error(`\`${name}\` can't be computed without \`${lacks}\`, which was not given.`);
      trace.kept.delete(name);
      trace.deltas.delete(name);
      trace.forget(name);
    },
    pin(trace, on) {
      trace.publish(on);
    },
    reset(trace) {
      trace.restore();
    },
    step(trace, count) {
      for (let n = 0; n < count; n += 1) trace.stepOnce();
    },
  };

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
        for (const read of tensor.reads) this.readers.get(this.root(read))?.push(name);
      }
      this.restore();
      this.history = new core.History(this);
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

    /** The pins and deltas that came with the model and that its equations could compute, too: the numbers of a published
     * example that were rounded, say. They belong to the weights and the input that came with them. */
    get published() {
      return this.model.tensors
        .filter((about) => about.definition && numbersOf(about) && this.missing(about.name) === null)
        .map(({ name }) => name);
    }

    /** Whether all of these are pinned now, as they came. */
    get showsPublished() {
      const came = new Map(this.model.tensors.map((about) => [about.name, about]));
      const as = (name) => {
        const numbers = numbersOf(came.get(name));
        return this.kept.get(name)?.every((value, place) => value === numbers[place]);
      };
      return this.published.length > 0 && this.published.every(as);
    }

    explain(name, index) {
      const tensor = this.tensor(name);
      const fits =
        index.length === tensor.shape.length &&
        index.every((i, n) => Number.isInteger(i) && i >= 0 && i < tensor.shape[n]);
      if (!fits) throw new Error(`${name} has no element [${index}]. The legal range is ${legal(tensor)}.`);
      return new core.Explanation(this, tensor, index).toData();
    }

    /** The pinned tensors that would follow when a tensor changes, and do not. */
    heldBack(name) {
      const found = new Set();
      const pending = [name];
      for (const changed of pending) {
        for (const reader of this.readers.get(changed) ?? []) {
          if (this.tensor(reader).pinned) found.add(reader);
          else if (!pending.includes(reader)) pending.push(reader);
        }
      }
      return this.names.filter((other) => found.has(other));
    }

    /** The elements that read an element: [{tensor, count, counts, zeros}], see core/readers.js. */
    goesInto(name, index) {
      return core.goesInto(this, name, index);
    }

    /** Change one number. A tensor that was computed is pinned by it: all its numbers stay as they are now. */
    set(name, place, value) {
      this.history.act("set", name, place, unsigned(value));
    }

    setAll(name, values) {
      this.history.act("setAll", name, Array.from(values, unsigned));
    }

    /** Compute a tensor again from its equation. */
    unpin(name) {
      this.history.act("unpin", name);
    }

    /** on: the published numbers stand in place of what their equations say, and what is before them in the network no
     * longer matters to what follows. Else they are computed. */
    pin(on) {
      this.history.act("pin", Boolean(on));
    }

    /** Back to the model's numbers, the published ones pinned or not as the model says. */
    reset() {
      this.history.act("reset");
    }

    /** Parameters and what else is carried along take their next values, so many times; what was published for the old
     * ones is computed from then on. Returns the loss before. */
    step(count = 1) {
      const before = this.loss;
      this.history.act("step", count);
      return before;
    }

    /** What `work` does with these methods, told and taken back as one change. */
    together(work) {
      this.history.together(work);
    }

    /** Does what one of these methods does, without writing it down. */
    perform(method, given) {
      if (!Object.hasOwn(ACTIONS, method)) throw new Error(`Numbers are not changed by \`${method}\`.`);
      ACTIONS[method](this, ...given);
    }

    stepOnce() {
      const { loss } = this;
      const next = this.model.updates.map(([from, to]) => [to, Float64Array.from(this.valuesOf(from))]);
      this.publish(false);
      this.steps += 1;
      for (const [name, each] of Object.entries(this.model.each_step))
        next.push([name, [each[this.steps % each.length]]]);
      for (const [name, values] of next) this.put(name, values);
      this.losses = [...this.losses, loss];
    }

    /** The name of what a tensor without equation is read instead of, where it shows another one. */
    root(name) {
      const shows = this.tensors.get(name)?.shows ?? null;
      return shows === null ? name : this.root(shows);
    }

    /** What a tensor's equation lacks, the target of given deltas, say; null where it can be computed. */
    missing(name) {
      return this.tensor(name).reads.find((read) => !this.tensors.has(read)) ?? null;
    }

    valuesOf(name) {
      const source = this.root(name);
      const known = this.kept.get(source) ?? this.computed.get(source);
      if (known) return known;
      const tensor = this.tensor(source);
      for (const read of tensor.reads) this.valuesOf(read); // before this one's loops run
      if (!this.programs.has(source)) this.programs.set(source, core.compile(tensor.definition, this.shapes));
      const values = this.programs.get(source)((read) => this.valuesOf(read));
      this.computed.set(source, values);
      return values;
    }

    restore() {
      this.steps = 0;
      this.losses = []; // before each step
      this.kept = new Map(); // what is given or pinned
      this.computed = new Map();
      this.deltas = new Set();
      for (const about of this.model.tensors) {
        const numbers = numbersOf(about);
        if (numbers) this.kept.set(about.name, numbers);
        if (about.delta) this.deltas.add(about.name);
      }
      if (this.model.starts_unpinned) this.publish(false);
    }

    publish(on) {
      const published = new Set(this.published);
      for (const about of this.model.tensors) {
        const { name, delta } = about;
        if (!published.has(name)) continue;
        if (on) this.kept.set(name, numbersOf(about));
        else this.kept.delete(name);
        if (delta && on) this.deltas.add(name);
        else this.deltas.delete(name);
        this.forget(name);
      }
    }

    /** What all numbers follow from. Its arrays never change. */
    get given() {
      return { steps: this.steps, losses: this.losses, kept: new Map(this.kept), deltas: new Set(this.deltas) };
    }

    set given({ steps, losses, kept, deltas }) {
      Object.assign(this, { steps, losses, kept: new Map(kept), deltas: new Set(deltas), computed: new Map() });
    }

    put(name, values) {
      const tensor = this.tensor(name);
      if (tensor.shows !== null) throw new Error(`\`${name}\` shows the numbers of \`${tensor.shows}\`; change that.`);
      if (values.length !== tensor.size)
        throw new Error(`${name} has ${tensor.size} numbers, but got ${values.length}.`);
      for (const value of values) {
        if (typeof value !== "number" || !Number.isFinite(value))
          throw new Error(`${name} takes finite numbers, not ${value}.`);
        if (value < 0 && name === this.model.learning_rate)
          throw new Error(`A learning rate is not negative: ${value} would go up the loss. Write a number such as 0.1.`);
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

  /** 0 for -0, whose sign a link would lose. */
  function unsigned(value) {
    return value === 0 ? 0 : value;
  }

  const read = new WeakMap(); // a tensor of the model -> its numbers, which never change

  /** The numbers that a tensor of the model is given, or null. Many are base64 of their bytes (explain/page/model.py). */
  function numbersOf(about) {
    if (!read.has(about)) read.set(about, readNumbers(about));
    return read.get(about);
  }

  function readNumbers({ values, packed }) {
    if (values !== undefined) return Float64Array.from(values, number);
    if (packed === undefined) return null;
    const { buffer } = Uint8Array.from(atob(packed.bytes), (character) => character.charCodeAt(0));
    return Float64Array.from(packed.type === "float32" ? new Float32Array(buffer) : new Float64Array(buffer));
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
