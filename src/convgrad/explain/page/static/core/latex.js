// Terms as LaTeX; the rules of convgrad/notation/printing/mathematics.py, the pieces of latex.py.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;
  const { functions, writtenOut, place, comma, reductions, comparisons, greek } = core.TABLES.latex;
  const GREEK = new Set(greek);
  const [SUM, SIGN, OPEN, PRODUCT, POWER, PRIMARY] = [0, 1, 2, 3, 4, 5]; // how tightly a piece holds together

  /** A tensor or index with its indices as subscript. */
  function nameLatex(name, indices = "") {
    const bare = name.replace(/'+$/, "");
    const dot = bare.lastIndexOf(".");
    const prefix = dot < 0 ? "" : bare.slice(0, dot);
    const pieces = bare
      .slice(dot + 1)
      .split("_")
      .filter(Boolean);
    let [base, ...words] = pieces.length ? pieces : ["\\_"];
    const match = /^([A-Za-z]+)([0-9]+)$/.exec(base);
    if (match) [base, words] = [match[1], [match[2], ...words]];
    const below = [...words.map(word), ...(indices ? [indices] : [])].join(",");
    const raised = prefix ? `^{\\mathrm{${prefix.replaceAll("_", "\\_")}}}` : "";
    return symbol(base) + name.slice(bare.length) + (below ? `_{${below}}` : "") + raised;
  }

  function symbol(base) {
    if (GREEK.has(base)) return `\\${base}`;
    if (base === "eps") return "\\varepsilon";
    if (base.length === 1 || base === "\\_") return base;
    if (base[0] === "d" && (base.length === 2 || GREEK.has(base.slice(1))))
      return `\\mathrm{d}${symbol(base.slice(1))}`;
    return `\\mathit{${base}}`;
  }

  function word(text) {
    return /^[0-9]+$/.test(text) ? text : `\\mathrm{${text}}`;
  }

  function positionLatex({ top, under }) {
    if (under === 1) return polynomialLatex(top);
    const below = String(under);
    const above = top.length > 1 ? `(${polynomialLatex(top)})` : polynomialLatex(top);
    return `${above}/${below.length > 1 ? `(${below})` : below}`;
  }

  function polynomialLatex(polynomial) {
    let result = "";
    for (const [names, coefficient] of core.inReadingOrder(polynomial)) {
      const size = Math.abs(coefficient) !== 1 || !names.length ? String(Math.abs(coefficient)) : "";
      const factors = names.map((name) => nameLatex(name)).join(" ");
      result += (coefficient < 0 ? "-" : result ? "+" : "") + size + factors;
    }
    return result || "0";
  }

  function level(polynomial) {
    if (polynomial.length > 1) return SUM;
    if (core.asName(polynomial) || !polynomial.length) return PRIMARY;
    return polynomial[0][1] < 0 ? SIGN : PRODUCT;
  }

  function number(value) {
    if (!Number.isFinite(value)) return value > 0 ? "\\infty" : "-\\infty";
    return core.latexNumber(core.numberText(value));
  }

  function latex(term) {
    return written(term)[0];
  }

  /** The right side of a definition, with what is read outside of tensors said behind it. */
  function definedLatex(term) {
    const notes = [];
    collectOutside(term, notes);
    const said = [...new Set(notes)].join(",\\ ");
    return written(term)[0] + (said ? ` \\qquad (${said}\\ \\mathrm{outside})` : "");
  }

  function collectOutside(term, notes) {
    if (term.kind === "access" && term.outside !== null)
      notes.push(`${nameLatex(term.tensor)} = ${number(term.outside || 0)}`);
    for (const part of term.parts) collectOutside(part, notes);
  }

  function written(term) {
    if (core.isNegative(term)) return [`-${atLeast(OPEN, core.withoutSign(term))}`, SIGN];
    const parts = term.parts;
    switch (term.kind) {
      case "number": {
        const text = number(term.value);
        return [text, text.includes("10^") ? PRODUCT : PRIMARY];
      }
      case "access":
        return [nameLatex(term.tensor, term.positions.map(positionLatex).join(",")), PRIMARY];
      case "index":
        return [polynomialLatex(term.polynomial), level(term.polynomial)];
      case "add":
        return [sum(parts), SUM];
      case "multiply":
        return product(parts);
      case "divide":
        return [`\\frac{${written(parts[0])[0]}}{${written(parts[1])[0]}}`, PRODUCT];
      case "power":
        return power(term);
      case "compare":
        return [`${written(parts[0])[0]} ${comparisons[term.operator]} ${written(parts[1])[0]}`, SUM];
      case "reduce":
        return reduction(term);
      case "call":
        return call(term);
      default:
        throw new TypeError(`${term.kind} is not a term of the notation.`);
    }
  }

  function sum(parts) {
    let result = atLeast(SIGN, parts[0]);
    for (const part of parts.slice(1)) {
      const negative = core.isNegative(part);
      result += ` ${negative ? "-" : "+"} ${atLeast(OPEN, negative ? core.withoutSign(part) : part)}`;
    }
    return result;
  }

  function product(factors) {
    const parts = factors.slice(0, -1).map((factor) => atLeast(PRODUCT, factor));
    let [closing, found] = written(factors.at(-1));
    if (found < OPEN) [closing, found] = [parenthesised(closing), PRIMARY];
    let result = parts[0];
    for (const part of [...parts.slice(1), closing]) result += (/^[0-9]/.test(part) ? " \\cdot " : " \\, ") + part;
    return [result, found === OPEN ? OPEN : PRODUCT];
  }

  function power(term) {
    const [base] = term.parts;
    const named = base.kind === "access" && base.tensor.includes(".");
    const below = named ? parenthesised(written(base)[0]) : atLeast(PRIMARY, base);
    return [`${below}^{${core.exponentText(term.exponent) ?? number(term.exponent)}}`, POWER];
  }

  function reduction(term) {
    const indices = term.indices.map((index) => nameLatex(index)).join(",");
    const wanted = term.reduction === "sum" ? OPEN : PRODUCT;
    const operator = reductions[term.reduction] ?? `\\mathrm{${term.reduction}}`;
    return [`${operator}_{${indices}} ${atLeast(wanted, term.parts[0])}`, OPEN];
  }

  function call(term) {
    if (term.function === "where") return [cases(term), OPEN];
    return [
      callLatex(
        term.function,
        term.parts.map((part) => written(part)[0]),
      ),
      PRIMARY,
    ];
  }

  /** Conditions one within the other, with the same value where they fail, are one condition: A, B. */
  function cases(term) {
    let [condition, taken, other] = term.parts;
    const conditions = [condition];
    while (taken.kind === "call" && taken.function === "where" && core.text(taken.parts[2]) === core.text(other)) {
      conditions.push(taken.parts[0]);
      taken = taken.parts[1];
    }
    const told = conditions.map((one) => written(one)[0]).join(",\\ ");
    const rows = `${written(taken)[0]} & \\mathrm{if}\\ ${told} \\\\ ${written(other)[0]} & \\mathrm{otherwise}`;
    return `\\begin{cases} ${rows} \\end{cases}`;
  }

  function callLatex(name, parts) {
    const pattern = functions[name] ?? `\\mathrm{${name}}${writtenOut}`;
    return pattern.replace(place, () => parts.join(comma));
  }

  function atLeast(wanted, term) {
    const [result, found] = written(term);
    return found >= wanted ? result : parenthesised(result);
  }

  function parenthesised(text) {
    return `\\left(${text}\\right)`;
  }

  Object.assign(core, { latex, definedLatex, nameLatex, callLatex });
})();
