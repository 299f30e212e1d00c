"use strict";
/* Which cells light up for an element, and the curves between them. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  const BADGES = 16;
  const ZEROS = 64;
  const CURVES = 64;

  /** The terms that tell where an element comes from: of a pinned one those of its equation. */
  page.termsOf = (explanation) =>
    explanation.terms_of_equation || explanation.termsOfEquation || explanation.terms || [];

  const isSelf = (factor, chosen, flat) => factor.tensor === chosen.name && flat === chosen.flat;

  /** tensor -> flat -> {kind, badge}. Kinds: chosen; a and b, first and second factor of terms; c, what else was read;
   * z, of terms that are 0. Factors of one term have one badge, its number.
   */
  page.marksOf = (explanation, chosen, trace) => {
    const marks = new Map();
    const put = (name, flat, mark, over) => {
      if (!marks.has(name)) marks.set(name, new Map());
      const own = marks.get(name);
      if (!own.has(flat)) own.set(flat, mark);
      else if (over && own.get(flat).kind === "z") own.set(flat, mark);
    };
    const flatOf = (factor) => page.flatOf(trace.tensor(factor.tensor).shape, factor.index);
    put(chosen.name, chosen.flat, { kind: "chosen" });
    const terms = page.termsOf(explanation);
    const telling = terms.filter((term) => term.value !== 0);
    const numbered = telling.length > 1 && telling.length <= BADGES;
    const kinds = new Map();
    telling.forEach((term, n) => {
      const factors = term.factors.filter((factor) => factor.tensor && factor.index && !factor.outside);
      factors.forEach((factor, place) => {
        const flat = flatOf(factor);
        if (isSelf(factor, chosen, flat)) return;
        if (!kinds.has(factor.tensor))
          kinds.set(factor.tensor, ["a", "b", "c"][Math.min(2, Math.max(place, kinds.size))]);
        put(
          factor.tensor,
          flat,
          { kind: kinds.get(factor.tensor), badge: numbered && factors.length > 1 ? String(n + 1) : "" },
          true,
        );
      });
    });
    for (const source of explanation.madeFrom || []) {
      const flat = flatOf(source);
      if (!isSelf(source, chosen, flat)) put(source.tensor, flat, { kind: "c" });
    }
    const zeros = terms.filter((term) => term.value === 0);
    for (const term of zeros.length > ZEROS ? [] : zeros) {
      for (const factor of term.factors) {
        if (factor.tensor && factor.index && !factor.outside) put(factor.tensor, flatOf(factor), { kind: "z" });
      }
    }
    return marks;
  };

  /** Paths of an SVG that lies over `flow`. */
  page.curves = (marks, flow, cellOf) => {
    const origin = flow.getBoundingClientRect();
    const middle = (cell) => {
      const box = cell.getBoundingClientRect();
      return [box.left + box.width / 2 - origin.left, box.top + box.height / 2 - origin.top, box.width / 2];
    };
    let chosen = null;
    const sources = [];
    for (const [name, own] of marks) {
      for (const [flat, { kind }] of own) {
        if (kind === "z") continue;
        const cell = cellOf(name, flat);
        if (!cell) continue;
        if (kind === "chosen") chosen = cell;
        else sources.push([cell, kind]);
      }
    }
    if (!chosen || sources.length > CURVES) return [];
    const [x, y, half] = middle(chosen);
    const ends = sources.map(([cell, kind]) => [middle(cell), kind]);
    return ends.map(([[fromX, fromY, fromHalf], kind]) => {
      const side = Math.abs(fromX - x) < 8 ? 0 : fromX < x ? 1 : -1;
      const [startX, endX] = [fromX + side * fromHalf, x - side * half];
      const bend = Math.max(24, Math.abs(endX - startX) / 2) * (side || 1);
      const path = `M${startX} ${fromY} C${startX + bend} ${fromY} ${endX - (side ? bend : -bend)} ${y} ${endX} ${y}`;
      return page.svg("path", { d: path, class: `curve ${kind}` });
    });
  };

  const FAINT = "#383838";
  const AROUND = 40;

  /** Curves that are faint where they cross numbers, which must not look struck out. flow: what they lie over. */
  page.faintOver = (curves, tensors, flow) => {
    const origin = flow.getBoundingClientRect();
    const all = { x: -AROUND, y: -AROUND, width: origin.width + 2 * AROUND, height: origin.height + 2 * AROUND };
    const boxes = tensors.map((tensor) => {
      const { left, top, width, height } = tensor.getBoundingClientRect();
      return page.svg("rect", { x: left - origin.left, y: top - origin.top, width, height, rx: 4, fill: FAINT });
    });
    const mask = page.svg(
      "mask",
      { id: "faint-over", maskUnits: "userSpaceOnUse", ...all },
      page.svg("rect", { ...all, fill: "#fff" }),
      ...boxes,
    );
    return [mask, page.svg("g", { mask: "url(#faint-over)" }, ...curves)];
  };
})();
