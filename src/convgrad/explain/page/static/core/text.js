// Terms as text in the notation; the rules of convgrad/notation/printing/text.py.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;
  const [SUM, SIGN, PRODUCT, POWER, PRIMARY] = [0, 1, 2, 3, 4]; // how tightly a text holds together
  const NUMBER = /^[0-9][0-9.]*(e[+-]?[0-9]+)?$/;

  function isNegative(term) {
    if (term.kind === "index") return term.polynomial.length === 1 && term.polynomial[0][1] < 0;
    return term.kind === "negate" || (term.kind === "number" && (term.value < 0 || Object.is(term.value, -0)));
  }

  function withoutSign(term) {
    if (term.kind === "index") return { ...term, polynomial: term.polynomial.map(([names, c]) => [names, -c]) };
    if (term.kind === "number") return { ...term, value: -term.value };
    return term.kind === "negate" ? term.parts[0] : term;
  }

  /** An index expression used as a number, as the sum of products that a person would write. */
  function indexTerm(polynomial) {
    const parts = core.inReadingOrder(polynomial).map(([names, coefficient]) => {
      const factors = names.map((name) => ({ kind: "index", polynomial: [[[name], 1]], parts: [] }));
      if (Math.abs(coefficient) !== 1 || !names.length) factors.unshift(number(Math.abs(coefficient)));
      const product = factors.length === 1 ? factors[0] : { kind: "multiply", parts: factors };
      return coefficient < 0 ? { kind: "negate", parts: [product] } : product;
    });
    if (!parts.length) return number(0);
    return parts.length === 1 ? parts[0] : { kind: "add", parts };
  }

  function number(value) {
    return { kind: "number", value, parts: [] };
  }

  function text(term) {
    return written(term)[0];
  }

  function written(term) {
    if (isNegative(term)) return [`-${atLeast(PRODUCT, withoutSign(term))}`, SIGN];
    switch (term.kind) {
      case "add":
        return [sum(term), SUM];
      case "multiply":
        return [product(term), PRODUCT];
      case "divide":
        return [fraction(term), PRODUCT];
      case "power": {
        const exponent = core.exponentText(term.exponent) ?? core.numberText(term.exponent);
        return [`${atLeast(PRIMARY, term.parts[0])}^${/^-|[/]/.test(exponent) ? `(${exponent})` : exponent}`, POWER];
      }
      case "index": {
        const name = core.asName(term.polynomial);
        return name ? [name, PRIMARY] : written(indexTerm(term.polynomial));
      }
      default:
        return [atom(term), PRIMARY];
    }
  }

  function sum(term) {
    let result = atLeast(SIGN, term.parts[0]);
    for (const part of term.parts.slice(1)) {
      const negative = isNegative(part);
      result += (negative ? " - " : " + ") + atLeast(PRODUCT, negative ? withoutSign(part) : part);
    }
    return result;
  }

  function product(term) {
    const [first, ...others] = term.parts;
    const level = first.kind === "multiply" ? PRIMARY : PRODUCT;
    return [atLeast(level, first), ...others.map((factor) => atLeast(POWER, factor))].join(" * ");
  }

  function fraction(term) {
    const parts = [atLeast(PRODUCT, term.parts[0]), atLeast(POWER, term.parts[1])];
    return parts.join(parts.every((part) => NUMBER.test(part)) ? "/" : " / ");
  }

  function atom(term) {
    const parts = term.parts.map(text);
    switch (term.kind) {
      case "number":
        return core.numberText(term.value);
      case "access": {
        const outside = term.outside === null ? "" : ` else ${core.numberText(term.outside)}`;
        return term.positions.length
          ? `${term.tensor}[${term.positions.map(core.positionText)}${outside}]`
          : term.tensor;
      }
      case "call":
        return `${term.function}(${parts.join(", ")})`;
      case "reduce":
        return `${term.reduction}[${term.indices}](${parts[0]})`;
      case "compare":
        return `${parts[0]} ${term.operator} ${parts[1]}`;
      default:
        throw new TypeError(`${term.kind} is not a term of the notation.`);
    }
  }

  function atLeast(wanted, term) {
    const [result, level] = written(term);
    return level >= wanted ? result : `(${result})`;
  }

  /** The term with whole numbers in place of indices, positions such as 4/2 worked out. */
  function withIndices(term, values) {
    const parts = term.parts.map((part) => withIndices(part, values));
    if (term.kind === "index") return { ...term, polynomial: core.substituted(term.polynomial, values) };
    if (term.kind !== "access") return { ...term, parts };
    const positions = term.positions.map(({ top, under }) =>
      core.inLowestTerms({ top: core.substituted(top, values), under }),
    );
    return { ...term, positions };
  }

  Object.assign(core, { isNegative, withoutSign, text, withIndices });
})();
