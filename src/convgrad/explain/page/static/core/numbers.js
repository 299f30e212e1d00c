// Numbers as people write them; the rules of convgrad/explain/trace/numbers.py and of Python's own formats.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;
  const { digits: DIGITS, short: SHORT, commonDecimals: COMMON_DECIMALS } = core.TABLES.numbers;
  const { smallestPlain: SMALLEST_PLAIN, largestPlain: LARGEST_PLAIN } = core.TABLES.numbers;

  /** [digits, exponent] of a positive number rounded to `count` digits, halves to even, as Python rounds. */
  function rounded(value, count) {
    const [mantissa, exponent] = value.toExponential(count - 1).split("e");
    const digits = mantissa.replace(".", "");
    // A half has one digit more, and is that number: only then is it worth while to look at all digits.
    const isShort = Number(value.toExponential(count)) === value;
    const down = isShort ? halfDown(value, count) : null; // JavaScript rounds halves up
    if (down === null || Number(down.at(-1)) % 2 !== 0) return [digits, Number(exponent)];
    return [down, exponentOf(value)];
  }

  /** The first `count` digits of a positive number that lies exactly halfway between two of so many; else null. */
  function halfDown(value, count) {
    const digits = value
      .toExponential(Math.min(100, count + 60))
      .split("e")[0]
      .replace(".", "");
    return /^50*$/.test(digits.slice(count)) ? digits.slice(0, count) : null;
  }

  function exponentOf(value) {
    return value ? Number(value.toExponential(60).split("e")[1]) : 0;
  }

  /** The decimal number 0.digits * 10^(exponent+1), without exponent. */
  function plain(digits, exponent) {
    if (exponent < 0) return `0.${"0".repeat(-exponent - 1)}${digits}`;
    if (exponent >= digits.length - 1) return digits + "0".repeat(exponent - digits.length + 1);
    return `${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
  }

  function withoutZeros(text) {
    return text.includes(".") ? text.replace(/\.?0*$/, "") : text;
  }

  function special(value) {
    return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  }

  /** With that many decimals, halves to even; below 1e21. */
  function fixed(value, decimals) {
    const size = Math.abs(value);
    const sign = value < 0 || Object.is(value, -0) ? "-" : "";
    let text = size.toFixed(decimals);
    if (size && Number(size.toFixed(Math.min(100, decimals + 1))) === size) {
      const exponent = exponentOf(size);
      const count = exponent + 1 + decimals;
      const down = count >= 0 ? halfDown(size, count) : null;
      if (down !== null && (!down || Number(down.at(-1)) % 2 === 0))
        text = down ? filled(down, exponent, decimals) : (0).toFixed(decimals);
    }
    return sign + text;
  }

  function filled(digits, exponent, decimals) {
    const text = plain(digits, exponent);
    return decimals && !text.includes(".") ? `${text}.${"0".repeat(decimals)}` : text;
  }

  /** Six digits without zeros at the end: Python's format "g". */
  function general(value) {
    if (!Number.isFinite(value)) return special(value);
    if (value === 0) return Object.is(value, -0) ? "-0" : "0";
    const [digits, exponent] = rounded(Math.abs(value), DIGITS);
    const sign = value < 0 ? "-" : "";
    if (exponent >= -4 && exponent < DIGITS) return sign + withoutZeros(plain(digits, exponent));
    return sign + withoutZeros(`${digits[0]}.${digits.slice(1)}`) + pythonExponent(exponent);
  }

  function pythonExponent(exponent) {
    return `e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }

  /** A number of an equation: 3, 0.5, 1e-05, inf; the shortest text that reads back as the number. */
  function numberText(value) {
    if (!Number.isFinite(value)) return special(value);
    if (Number.isInteger(value) && Math.abs(value) < 1e16) return Object.is(value, -0) ? "-0" : String(value);
    const [mantissa, power] = Math.abs(value).toExponential().split("e");
    const [exponent, sign] = [Number(power), value < 0 ? "-" : ""];
    if (exponent >= -4 && exponent < 16) return sign + plain(mantissa.replace(".", ""), exponent);
    return sign + mantissa + pythonExponent(exponent);
  }

  /** A number for people: a short decimal in full, others with six digits; `decimals`: that many. */
  function written(value, decimals, tolerance) {
    if (!Number.isFinite(value)) return special(value);
    if (value === 0) return "0";
    if (decimals !== null) return fixed(value, decimals);
    const [sign, size] = [value < 0 ? "-" : "", Math.abs(value)];
    const away = ([digits, exponent]) => Math.abs(Number(`${digits[0]}.${digits.slice(1)}e${exponent}`) - size);
    let found = null;
    // With fewer digits it is not nearer: where even the most are far away, none of them is looked at.
    if (away(rounded(size, SHORT)) <= 2 * tolerance * size) {
      for (let count = 1; count <= SHORT && !found; count++) {
        const short = rounded(size, count);
        if (away(short) <= tolerance * size) found = short;
      }
    }
    const [digits, exponent] = found ?? rounded(size, DIGITS);
    if (size >= SMALLEST_PLAIN && size < LARGEST_PLAIN) return sign + withoutZeros(plain(digits, exponent));
    return `${sign}${withoutZeros(`${digits[0]}.${digits.slice(1)}`)}e${exponent}`;
  }

  function roundHalfEven(value) {
    const low = Math.floor(value);
    const rest = value - low;
    if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
    return low % 2 === 0 ? low : low + 1;
  }

  /** The number of decimals that is enough for all values, at most 4; null where none is. */
  function commonDecimals(values, tolerance) {
    if (!values.length) return null;
    for (const value of values) if (!Number.isFinite(value) || Math.abs(value) >= LARGEST_PLAIN) return null;
    for (let decimals = 0; decimals <= COMMON_DECIMALS; decimals++) {
      const power = 10 ** decimals;
      const isEnough = (value) => Math.abs(value - roundHalfEven(value * power) / power) <= tolerance * Math.abs(value);
      if (values.every(isEnough)) return decimals;
    }
    return null;
  }

  /** A written number in LaTeX: 1e-7 becomes a power of ten. */
  function latexNumber(text) {
    if (text.endsWith("inf")) return text.replace("inf", "\\infty");
    const [mantissa, exponent] = text.split("e");
    if (exponent === undefined) return mantissa;
    const power = `10^{${Number(exponent)}}`;
    return mantissa === "1" ? power : `${mantissa} \\cdot ${power}`;
  }

  /** The fraction that a constant exponent stands for, as in notation/exponents.py; null where it is no simple one. */
  function exponentText(value) {
    if (Number.isInteger(value) || !Number.isFinite(value) || Math.abs(value) > 2 ** 20) return null;
    for (let below = 2; below <= 16; below += 1) {
      const above = Math.round(value * below);
      if (Math.abs(above / below - value) <= 2 ** -50 * Math.max(1, Math.abs(value))) return `${above}/${below}`;
    }
    return null;
  }

  Object.assign(core, { special, written, commonDecimals, latexNumber, numberText, exponentText, general });
})();
