// What a value adds up from: terms, each a product of factors; the rules of convgrad/explain/trace/terms.py.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;

  /** [{factors: [{tensor, index, value}], value}], which add up to the node's value, in the order of the equation. */
  function terms(node) {
    return split(node).map((factors) => ({
      factors,
      value: factors.reduce((product, factor) => product * factor.value, 1),
    }));
  }

  function split(node) {
    if (node.kind === "total") return node.children.flatMap(split);
    if (node.kind === "negative") return split(node.children[0]).map((factors) => [number(-1), ...factors]);
    if (node.kind === "choice") return split(node.taken);
    if (isWinner(node)) return split(node.children[node.winner]);
    if (node.kind === "quotient" && spreads(node.children[0])) {
      return split(node.children[0]).map((factors) => [...factors, inverse(node.children[1])]);
    }
    const spread = node.kind === "product" ? node.children.filter(spreads) : [];
    if (spread.length === 1) {
      const place = node.children.indexOf(spread[0]);
      const before = node.children.slice(0, place).flatMap(factorsOf);
      const after = node.children.slice(place + 1).flatMap(factorsOf);
      return split(spread[0]).map((factors) => [...before, ...factors, ...after]);
    }
    return [factorsOf(node)];
  }

  /** Whether a factor is a sum over indices, whose terms are worth telling one by one. */
  function spreads(node) {
    if (node.kind === "negative" || node.kind === "quotient") return spreads(node.children[0]);
    if (node.kind === "product") return node.children.filter(spreads).length === 1;
    return node.kind === "total" && node.loop;
  }

  function isWinner(node) {
    return node.kind === "extreme" && !node.extreme.startsWith("arg");
  }

  function factorsOf(node) {
    if (node.kind === "read") {
      const factor = { tensor: node.tensor, index: node.index, value: node.value };
      return [node.inside ? factor : { ...factor, outside: true }];
    }
    if (node.kind === "constant") return [number(node.value)];
    if (node.kind === "product") return node.children.flatMap(factorsOf);
    if (node.kind === "negative") return [number(-1), ...factorsOf(node.children[0])];
    if (node.kind === "quotient") return [...factorsOf(node.children[0]), inverse(node.children[1])];
    if (node.kind === "choice") return factorsOf(node.taken);
    if (isWinner(node)) return factorsOf(node.children[node.winner]);
    return [expression(node.value, core.SYMBOLS.text(node), node)];
  }

  function inverse(node) {
    const symbols = node.kind === "constant" ? core.SYMBOLS.text(node) : core.SYMBOLS.factor(node);
    return expression(node.value ? 1 / node.value : Infinity, `1/${symbols}`, node);
  }

  function number(value) {
    return { tensor: null, index: null, value };
  }

  function expression(value, text, node) {
    const reads = core.reads(node).map(({ tensor, index, value }) => ({ tensor, index, value }));
    return { ...number(value), expression: text, reads };
  }

  Object.assign(core, { terms });
})();
