// What an explanation says in words: which value won, which branch was taken; the rules of convgrad/explain/trace/notes.py.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;
  const { words: WORDS, opposites: OPPOSITES } = core.TABLES;

  /** The parts that matter: of a sum those that are not 0; of one that is all 0, those that could be something else. */
  function telling(node) {
    if (node.kind !== "total" || !node.loop) return node.children;
    const kept = node.children.filter((part) => part.value !== 0);
    return kept.length
      ? kept
      : node.children.filter((part) => core.reads(part).every((r) => r.inside)).slice(0, core.SHOWN);
  }

  /** The elements that matter. */
  function counting(node) {
    return core.distinct(everyCounting(node));
  }

  /** The same, with those that are read several times. */
  function everyCounting(node, found = []) {
    if (node.kind === "read") found.push(node);
    else for (const part of telling(node)) everyCounting(part, found);
    return found;
  }

  /** Choices and extremes in what matters. */
  function decisions(node) {
    const own = node.kind === "choice" || node.kind === "extreme" ? [node] : [];
    return [...own, ...telling(node).slice(0, core.SHOWN).flatMap(decisions)];
  }

  /** What was chosen, in words. */
  function note(node, reading) {
    const numbers = new core.Writer(reading);
    if (node.kind === "choice") {
      const operator = node.holds ? node.operator : OPPOSITES[node.operator];
      const taken = node.value === 0 ? "so the term counts, but it is 0" : "so the term counts";
      const consequence = node.holds ? taken : "so the other value counts";
      return `${named(node.left, numbers)} ${WORDS[operator]} ${named(node.right, numbers)}, ${consequence}`;
    }
    const winner = node.children[node.winner];
    const word = node.extreme.endsWith("max") ? "greatest" : "least";
    const again = node.children.filter((candidate) => candidate.value === winner.value).length > 1;
    const which = `the ${again ? "first " : ""}${word} of ${node.children.length}`;
    return `${named(winner, numbers)} is ${which}, place ${node.winner}`;
  }

  function named(node, numbers) {
    const [name, number] = [core.SYMBOLS.text(node), numbers.text(node)];
    return name === number ? name : `${name} = ${number}`;
  }

  Object.assign(core, { counting, everyCounting, decisions, note });
})();
