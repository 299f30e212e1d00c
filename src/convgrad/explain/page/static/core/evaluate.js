// Definitions computed by nested loops over flat arrays. Terms become closures once; nothing is evaluated as text.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  /**
   * A function (name -> Float64Array) -> Float64Array that computes a definition.
   * `shapes`: tensor -> shape.
   */
  function compile(definition, shapes) {
    const compiler = new Compiler(definition, shapes);
    const body = compiler.term(definition.term);
    const slots = definition.indices.map((index) => compiler.slots.get(index));
    const shape = definition.indices.map((index) => compiler.sizes.get(index));
    const count = shape.reduce((a, b) => a * b, 1);
    return (valuesOf) => {
      compiler.load(valuesOf);
      const [at, result] = [compiler.at, new Float64Array(count)];
      for (const slot of slots) at[slot] = 0;
      for (let flat = 0; flat < count; flat++) {
        result[flat] = body();
        for (let axis = slots.length - 1; axis >= 0 && ++at[slots[axis]] === shape[axis]; axis--) at[slots[axis]] = 0;
      }
      compiler.unload();
      return result;
    };
  }

  class Compiler {
    constructor(definition, shapes) {
      this.shapes = shapes;
      this.sizes = new Map(definition.ranges);
      this.slots = new Map(definition.ranges.map(([index], place) => [index, place]));
      this.at = new Int32Array(definition.ranges.length); // the present value of each index
      this.tensors = [];
      this.data = []; // their values while the definition runs
      this.leavesOutZeros = false;
    }

    load(valuesOf) {
      this.tensors.forEach((name, place) => (this.data[place] = valuesOf(name)));
      // 0 times what is not finite is not a number, and must not be left out.
      this.isExact = this.leavesOutZeros && !this.data.every((values) => values.every(Number.isFinite));
    }

    unload() {
      this.data.fill(null);
    }

    /** A function of no arguments: the value where the indices are `this.at`. */
    term(term) {
      switch (term.kind) {
        case "number":
          return () => term.value;
        case "index":
          return this.affine(term.polynomial);
        case "access":
          return this.access(term);
        case "negate":
          return negated(this.term(term.parts[0]));
        case "add":
          return chained(
            term.parts.map((part) => this.term(part)),
            (a, b) => () => a() + b(),
          );
        case "multiply":
          return chained(
            term.parts.map((part) => this.term(part)),
            (a, b) => () => a() * b(),
          );
        case "divide":
          return divided(this.term(term.parts[0]), this.term(term.parts[1]));
        case "power":
          return raised(this.term(term.parts[0]), term.exponent);
        case "call":
          return term.function === "where" ? this.choice(term) : this.call(term);
        case "reduce":
          return this.reduction(term);
        default:
          throw new TypeError(`${term.kind} has no value of its own.`);
      }
    }

    call(term) {
      const apply = core.FUNCTIONS[term.function];
      const [a, b] = term.parts.map((part) => this.term(part));
      if (!apply) throw new TypeError(`There is no function ${term.function}.`);
      return b ? () => apply(a(), b()) : () => apply(a());
    }

    choice(term) {
      const [condition, taken, other] = term.parts;
      const holds = core.COMPARISONS[condition.operator];
      const [left, right, a, b] = [...condition.parts, taken, other].map((part) => this.term(part));
      return () => (holds(left(), right()) ? a() : b());
    }

    /** The value of an index expression. */
    affine(polynomial) {
      const { start, slots, steps } = this.linear(polynomial);
      const at = this.at;
      if (!slots.length) return () => start;
      if (slots.length === 1) return () => start + steps[0] * at[slots[0]];
      return () => {
        let total = start;
        for (let n = 0; n < slots.length; n++) total += steps[n] * at[slots[n]];
        return total;
      };
    }

    /** start + sum of steps[n] * at[slots[n]]. */
    linear(polynomial) {
      const found = { start: 0, slots: [], steps: [] };
      for (const [names, coefficient] of polynomial) {
        if (!names.length) found.start += coefficient;
        else {
          found.slots.push(this.slots.get(names[0]));
          found.steps.push(coefficient);
        }
      }
      return found;
    }

    access(term) {
      const tensor = this.tensors.push(term.tensor) - 1;
      const { data, at } = this;
      const reading = this.reading(term);
      const offset = this.affine(reading.offset);
      if (!reading.checked.length) return () => data[tensor][offset()];
      const { outside, checked } = reading;
      return () => {
        let place = offset();
        for (const axis of checked) {
          let position = axis.start;
          for (let n = 0; n < axis.slots.length; n++) position += axis.steps[n] * at[axis.slots[n]];
          if (axis.under !== 1) {
            if (position % axis.under !== 0) return outside;
            position /= axis.under;
          }
          if (position < 0 || position >= axis.size) return outside;
          if (axis.stride) place += position * axis.stride;
        }
        return data[tensor][place];
      };
    }

    /**
     * How an access is read: at `offset` of the flat array, an index expression, plus what `checked` axes with a
     * stride add (those with a division); an axis that can't leave its tensor is not checked.
     */
    reading(term) {
      const shape = this.shapes.get(term.tensor);
      const found = { offset: [], checked: [], outside: term.outside ?? NaN };
      let stride = 1;
      for (let axis = shape.length - 1; axis >= 0; stride *= shape[axis], axis--) {
        const { top, under } = term.positions[axis];
        const [low, high] = this.bounds(top);
        if (under === 1) for (const [names, c] of top) found.offset.push([names, c * stride]);
        if (under !== 1 || low < 0 || high >= shape[axis]) {
          const own = this.linear(top);
          found.checked.push({ ...own, under, size: shape[axis], stride: under === 1 ? 0 : stride });
        }
      }
      found.offset = merged(found.offset);
      return found;
    }

    bounds(polynomial) {
      let [low, high] = [0, 0];
      for (const [names, coefficient] of polynomial) {
        const reach = names.length ? coefficient * (this.sizes.get(names[0]) - 1) : coefficient;
        if (!names.length) [low, high] = [low + reach, high + reach];
        else [low, high] = [low + Math.min(reach, 0), high + Math.max(reach, 0)];
      }
      return [low, high];
    }

    reduction(term) {
      const slots = term.indices.map((index) => this.slots.get(index));
      const sizes = term.indices.map((index) => this.sizes.get(index));
      const body = this.term(term.parts[0]);
      const count = sizes.reduce((a, b) => a * b, 1);
      const { at } = this;
      const looped = (run, loop) => slots.reduceRight((inner, slot, n) => loop(inner, at, slot, sizes[n]), run);
      switch (term.reduction) {
        case "sum":
          return this.sum(term, looped(body, summed), slots, sizes);
        case "mean":
          return divided(this.sum(term, looped(body, summed), slots, sizes), () => count);
        case "max":
          return looped(body, greatest);
        case "min":
          return looped(body, least);
        default: {
          const values = new Float64Array(count);
          let filled = 0;
          const fill = looped(() => (values[filled++] = body()), summed);
          return () => {
            filled = 0;
            fill();
            return core.firstExtreme(values, term.reduction === "argmax");
          };
        }
      }
    }

    /** A sum of products goes along its longest index at once; `exactly`: what does for every other sum. */
    sum(term, exactly, slots, sizes) {
      const longest = sizes.lastIndexOf(Math.max(...sizes));
      const products = core.sumOfProducts(this, term.parts[0], slots[longest], sizes[longest]);
      if (products === null) return exactly;
      const others = slots.map((slot, n) => [slot, sizes[n]]).filter((_, n) => n !== longest);
      const quickly = others.reduceRight((inner, [slot, size]) => summed(inner, this.at, slot, size), products);
      return () => (this.isExact ? exactly() : quickly());
    }
  }

  function merged(polynomial) {
    const found = new Map();
    for (const [names, c] of polynomial) found.set(names.join(), [names, c + (found.get(names.join())?.[1] ?? 0)]);
    return [...found.values()].filter(([, c]) => c);
  }

  function chained(parts, join) {
    return parts.slice(1).reduce(join, parts[0]);
  }

  function negated(a) {
    return () => -a();
  }

  function divided(a, b) {
    return () => a() / b();
  }

  function raised(a, exponent) {
    return exponent === 2 ? () => core.power(a(), 2) : () => core.power(a(), exponent);
  }

  function summed(body, at, slot, size) {
    return () => {
      let total = 0;
      for (let i = 0; i < size; i++) {
        at[slot] = i;
        total += body();
      }
      return total;
    };
  }

  function greatest(body, at, slot, size) {
    return () => {
      let found = -Infinity;
      for (let i = 0; i < size; i++) {
        at[slot] = i;
        found = Math.max(found, body());
      }
      return found;
    };
  }

  function least(body, at, slot, size) {
    return () => {
      let found = Infinity;
      for (let i = 0; i < size; i++) {
        at[slot] = i;
        found = Math.min(found, body());
      }
      return found;
    };
  }

  Object.assign(core, { compile });
})();
