"use strict";
/* Numbers as cells show them: all of a tensor with the same decimals, enough for three or four digits of the greatest.
 * Those that are short anyhow, and published ones, are written out. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { core } = convgrad;

  const LEAST = 3;
  const MOST = 4;
  /** From 10^-4 on decimals are written; smaller ones and those of more digits than this get a common power of ten. */
  const SMALLEST = -4;
  const LARGEST = 6;
  /** Tensors with more numbers than this are not searched for short decimals. */
  const SEARCHED = 4096;

  const exponentOf = (size) => (size ? Math.floor(Math.log10(size) + 1e-12) : 0);

  /** Decimals that say all there is to say, where few digits do; else null. */
  const exactDecimals = (values, exponent, tolerance) => {
    if (values.length > SEARCHED) return null;
    const decimals = core.commonDecimals(values, tolerance);
    return decimals !== null && Math.max(exponent, 0) + 1 + decimals <= MOST + (exponent < 0 ? 1 : 0) ? decimals : null;
  };

  page.Digits = class {
    constructor(tensor) {
      this.tensor = tensor;
      this.longest = 1;
    }

    /** For new values; decimals stay as they are while they give three or four digits, so that columns keep still. */
    fit(largest) {
      const { tensor } = this;
      const { values } = tensor;
      const { tolerance } = tensor.trace.model;
      const exponent = exponentOf(largest);
      this.own = tensor.pinned || (tensor.given && values.length <= SEARCHED && tensor.ownDecimals !== null);
      const exact = this.own ? null : exactDecimals(values, exponent, tolerance);
      this.power = exact === null && largest > 0 && (exponent < SMALLEST || exponent >= LARGEST) ? exponent : 0;
      const [fewest, most] = [LEAST - 1 - exponent, MOST - 1 - exponent];
      const kept = this.decimals >= fewest && this.decimals <= most ? this.decimals : fewest;
      this.decimals = exact ?? (this.power ? LEAST - 1 : Math.max(1, kept));
    }

    /** all: with all digits that the page has of it. */
    text(value, all = false) {
      const { tensor } = this;
      const { tolerance } = tensor.trace.model;
      if (all || this.own || value === 0 || !Number.isFinite(value)) return tensor.written(value);
      if (!this.power) return core.written(value, this.decimals, tolerance);
      return `${core.written(value / 10 ** this.power, this.decimals, tolerance)}e${this.power}`;
    }
  };
})();
