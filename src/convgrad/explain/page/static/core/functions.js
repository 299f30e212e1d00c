// What takes more than an expression in the rows of convgrad/functions.py, from which core.FUNCTIONS is made.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  // A power series below 1.75, a continued fraction beyond (Abramowitz and Stegun 7.1.6, 7.1.14).
  function erf(a) {
    const x = Math.abs(a);
    if (Number.isNaN(a)) return a;
    if (x >= 6) return Math.sign(a);
    return Math.sign(a) * (x < 1.75 ? series(x) : 1 - tail(x));
  }

  /** exp(-x^2), the square without rounding. */
  function bell(x) {
    const high = Math.fround(x);
    return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
  }

  function series(x) {
    let total = 1;
    for (let n = 50; n > 0; n--) total = 1 + (total * 2 * x * x) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * bell(x) * x * total;
  }

  function tail(x) {
    let below = x;
    for (let n = 80; n > 0; n--) below = x + n / 2 / below;
    return bell(x) / (below * Math.sqrt(Math.PI));
  }

  /** The nearest number of 8 binary digits in the range of float32, of two the even one. */
  function bfloat16(a) {
    if (!Number.isFinite(a)) return a;
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, a);
    const exponent = ((view.getUint16(0) >> 4) & 0x7ff) - 1023;
    const last = 2 ** (Math.max(exponent, -126) - 7);
    const low = Math.floor(a / last);
    const rest = a / last - low;
    const rounded = (rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low) * last;
    return Math.abs(rounded) >= 2 ** 128 ? Math.sign(a) * Infinity : rounded;
  }

  /** A number in [0, 1) from two whole numbers: the finalizer of MurmurHash3 (Austin Appleby, 2011). */
  function uniform(seed, k) {
    let h = (Math.imul(k >>> 0, 0x9e3779b1) + (seed >>> 0)) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b) >>> 0;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) >>> 0;
    h = (h ^ (h >>> 16)) >>> 0;
    return (h >>> 8) / 2 ** 24;
  }

  function power(base, exponent) {
    if (exponent === 2) return base * base;
    return exponent === 0.5 ? Math.sqrt(base) : Math.pow(base, exponent);
  }

  /** The place of the first extreme; the first that is not a number goes before all others. */
  function firstExtreme(values, greatest) {
    let best = 0;
    for (let place = 1; place < values.length && !Number.isNaN(values[best]); place++) {
      const value = values[place];
      if ((greatest ? value > values[best] : value < values[best]) || Number.isNaN(value)) best = place;
    }
    return best;
  }

  Object.assign(core, { erf, bfloat16, uniform, power, firstExtreme });
})();
