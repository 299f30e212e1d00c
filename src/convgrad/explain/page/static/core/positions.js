// Index arithmetic: a polynomial is [[names, coefficient], ...], a position {top: polynomial, under: whole number}.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  /** Like monomials collected, in the order in which they were first written; none with coefficient 0. */
  function collected(terms) {
    const found = new Map();
    for (const [names, coefficient] of terms) {
      const key = [...names].sort().join("*");
      const known = found.get(key);
      if (known) known[1] += coefficient;
      else found.set(key, [names, coefficient]);
    }
    return [...found.values()].filter(([, coefficient]) => coefficient !== 0);
  }

  /** Names replaced by whole numbers; `values`: name -> number. */
  function substituted(polynomial, values) {
    if (!polynomial.some(([names]) => names.some((name) => name in values))) return polynomial;
    let result = [];
    for (const [names, coefficient] of polynomial) {
      let size = coefficient;
      for (const name of names) if (name in values) size *= values[name];
      const kept = names.filter((name) => !(name in values));
      result = collected(size ? [...result, [kept, size]] : result);
    }
    return result;
  }

  function evaluated(polynomial, values) {
    let total = 0;
    for (const [names, coefficient] of polynomial) {
      let product = coefficient;
      for (const name of names) product *= values[name];
      total += product;
    }
    return total;
  }

  /** As first written, but a term with a positive sign first: p-m rather than -m+p. */
  function inReadingOrder(polynomial) {
    const first = Math.max(
      0,
      polynomial.findIndex(([, coefficient]) => coefficient > 0),
    );
    return [...polynomial.slice(first, first + 1), ...polynomial.slice(0, first), ...polynomial.slice(first + 1)];
  }

  function polynomialText(polynomial) {
    if (!polynomial.length) return "0";
    let text = "";
    for (const [names, coefficient] of inReadingOrder(polynomial)) {
      const size = Math.abs(coefficient);
      const factors = size !== 1 || !names.length ? [String(size), ...names] : names;
      text += (coefficient < 0 ? "-" : text ? "+" : "") + factors.join("*");
    }
    return text;
  }

  function asName(polynomial) {
    const single = polynomial.length === 1 && polynomial[0][1] === 1 && polynomial[0][0].length === 1;
    return single ? polynomial[0][0][0] : null;
  }

  function greatestDivisor(a, b) {
    return b ? greatestDivisor(b, a % b) : Math.abs(a);
  }

  /** Without a common factor of divisor and numerator, the divisor positive. */
  function inLowestTerms({ top, under }) {
    if (under === 1) return { top, under };
    const common = top.reduce((all, [, c]) => greatestDivisor(all, c), Math.abs(under)) * (under < 0 ? -1 : 1);
    return { top: top.map(([names, c]) => [names, c / common]), under: under / common };
  }

  function positionText({ top, under }) {
    if (under === 1) return polynomialText(top);
    return `${top.length > 1 ? `(${polynomialText(top)})` : polynomialText(top)}/${under}`;
  }

  /** Where along an axis; a number that is not whole lies outside. */
  function place({ top, under }, values) {
    return evaluated(top, values) / under + 0;
  }

  Object.assign(core, { asName, evaluated, inLowestTerms, inReadingOrder, place, positionText, substituted });
})();
