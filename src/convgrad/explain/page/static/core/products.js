// Sums of products, where nearly all the work of a network is, without a call for every term:
// sum[..,k](a[..] * b[..]) walks along k with a fixed step through each of two flat arrays.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  /** One factor: an element of a tensor that moves with one index. */
  class Walk {
    constructor(compiler, access, slot) {
      const reading = compiler.reading(access);
      const moves = ([names]) => names.length > 0 && compiler.slots.get(names[0]) === slot;
      this.at = compiler.at;
      this.tensor = compiler.tensors.push(access.tensor) - 1;
      this.step = reading.offset.find(moves)?.[1] ?? 0;
      this.start = compiler.affine(reading.offset.filter((monomial) => !moves(monomial)));
      this.fixed = reading.checked.filter((axis) => !axis.slots.includes(slot));
      this.moving = reading.checked.filter((axis) => axis.slots.includes(slot)).map((axis) => withoutSlot(axis, slot));
      this.isPadded = reading.checked.length > 0;
      // Zeros outside can be left out of a sum; other values, and divided positions along the way, can't.
      this.isPlain = (!this.isPadded || reading.outside === 0) && this.moving.every((axis) => axis.under === 1);
    }

    /** Find where in the tensor the walk begins, and which part [low, high) of it lies inside. */
    begin(count) {
      [this.low, this.high, this.place] = [0, count, this.start()];
      for (const axis of this.fixed) {
        const position = positionOn(axis, this.at) / axis.under;
        if (!Number.isInteger(position) || position < 0 || position >= axis.size) {
          this.high = 0;
          return;
        }
        this.place += position * axis.stride;
      }
      for (const axis of this.moving) {
        const position = positionOn(axis, this.at);
        const [first, last] =
          axis.step > 0 ? [-position, axis.size - 1 - position] : [axis.size - 1 - position, -position];
        this.low = Math.max(this.low, Math.ceil(first / axis.step));
        this.high = Math.min(this.high, Math.floor(last / axis.step) + 1);
      }
    }
  }

  function positionOn(axis, at) {
    let position = axis.start;
    for (let n = 0; n < axis.slots.length; n++) position += axis.steps[n] * at[axis.slots[n]];
    return position;
  }

  function withoutSlot(axis, slot) {
    const step = axis.steps[axis.slots.indexOf(slot)];
    const others = axis.slots.flatMap((other, n) => (other === slot ? [] : [[other, axis.steps[n]]]));
    return { ...axis, step, slots: others.map(([other]) => other), steps: others.map(([, own]) => own) };
  }

  /** The sum over one index as a function of no arguments; null where the body is not a product of one or two elements. */
  function sumOfProducts(compiler, body, slot, count) {
    const factors = body.kind === "multiply" ? body.parts : [body];
    if (factors.length > 2 || !factors.every((factor) => factor.kind === "access")) return null;
    const walks = factors.map((factor) => new Walk(compiler, factor, slot));
    if (!walks.every((walk) => walk.isPlain)) return null;
    if (walks.some((walk) => walk.isPadded)) compiler.leavesOutZeros = true;
    return walks.length === 1 ? single(compiler.data, walks[0], count) : double(compiler.data, ...walks, count);
  }

  function single(data, walk, count) {
    return () => {
      walk.begin(count);
      const values = data[walk.tensor];
      let total = 0;
      for (let i = walk.low; i < walk.high; i++) total += values[walk.place + walk.step * i];
      return total;
    };
  }

  function double(data, a, b, count) {
    return () => {
      a.begin(count);
      if (a.high <= a.low) return 0;
      b.begin(count);
      const [low, high] = [Math.max(a.low, b.low), Math.min(a.high, b.high)];
      const [left, right, leftStep, rightStep] = [data[a.tensor], data[b.tensor], a.step, b.step];
      let [from, to, total] = [a.place + leftStep * low, b.place + rightStep * low, 0];
      for (let i = low; i < high; i++) {
        total += left[from] * right[to];
        from += leftStep;
        to += rightStep;
      }
      return total;
    };
  }

  Object.assign(core, { sumOfProducts });
})();
