"use strict";
/* What is shown one after the other while a tensor is computed. A step has elements that are written at once, and what
 * they were made from, both as the definitions say; nothing here knows a layer. There is no document in this file. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { core } = convgrad;

  /** At most so many steps show a tensor: of a greater one a step is a row, or several. */
  const MOST_STEPS = 180;
  /** Seconds that all steps take together at most, and one step takes at most. */
  const ALL_SECONDS = 6;
  const ONE_SECOND = 0.7;
  /** Terms that are looked at for one step; of more, only those of the step's last element. */
  const MOST_TERMS = 6000;
  /** Terms of a tensor up to which elements that read the same are found. */
  const MOST_COMPARED = 20000;
  /** Numbers that are seen to move to an element; more could not be followed. */
  const MOST_FLIGHTS = 3;

  /** An element's tree, and its parts that are read: see core/nodes.js. */
  const nodeOf = (trace, name, flat) => {
    const tensor = trace.tensor(name);
    return core.nodeOf(trace, tensor, page.indexOf(tensor.shape, flat));
  };

  const inside = (reads) => reads.filter((read) => read.inside);
  const flatIn = (trace, { tensor, index }) => page.flatOf(trace.tensor(tensor).shape, index);

  /** tensor -> flat -> kind of mark, of what an element was made from: what `Element.explain().made_from` has. */
  page.litOf = (trace, name, flat, node = nodeOf(trace, name, flat), terms = core.terms(node)) => {
    const madeFrom = inside(core.everyCounting(node));
    const marks = page.marksOf({ terms, madeFrom }, { name, flat }, trace);
    const lit = new Map();
    for (const read of madeFrom) {
      const place = flatIn(trace, read);
      const kind = marks.get(read.tensor)?.get(place)?.kind ?? "c";
      if (kind === "chosen") continue;
      if (!lit.has(read.tensor)) lit.set(read.tensor, new Map());
      lit.get(read.tensor).set(place, kind === "z" ? "c" : kind);
    }
    return lit;
  };

  const merge = (into, from) => {
    for (const [name, own] of from) {
      if (!into.has(name)) into.set(name, new Map());
      for (const [flat, kind] of own) if (!into.get(name).has(flat)) into.get(name).set(flat, kind);
    }
  };

  /** tensor -> places of everything that several elements may read. */
  const windowOf = (trace, name, flats) => {
    const found = new Map();
    for (const flat of flats) page.reachOf(trace, name, flat, found);
    return found;
  };

  /** The numbers that a value adds up from, where they are few: [{name, flat}]. */
  const movedTo = (trace, terms) => {
    const places = new Map();
    for (const { value, factors } of terms) {
      if (value === 0) continue;
      for (const read of factors.flatMap((factor) => (factor.tensor ? [factor] : factor.reads || [])))
        if (read.index && !read.outside)
          places.set(`${read.tensor} ${read.index}`, { name: read.tensor, flat: flatIn(trace, read) });
      if (places.size > MOST_FLIGHTS) return [];
    }
    return [...places.values()];
  };

  const termsOf = ({ definition, size }) =>
    definition ? definition.ranges.reduce((product, [, length]) => product * length, 1) : size;

  /** Elements of a step that are told in words, and whose numbers are seen to move. */
  const MOST_TOLD = 16;

  const chunks = (items, size) =>
    Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));

  /** Elements that are written at once, in the order in which a tensor lies on the page. */
  const groupsOf = (trace, tensor, layout) => {
    const rows = [];
    for (let plane = 0; plane < layout.planes; plane += 1) {
      for (let row = 0; row < layout.rows; row += 1) {
        const flats = Array.from({ length: layout.columns }, (_, column) => layout.flat(plane, row, column));
        rows.push(flats.filter((flat) => flat < layout.size));
      }
    }
    if (tensor.size > MOST_STEPS)
      return chunks(rows, Math.ceil(rows.length / MOST_STEPS)).map((several) => several.flat());
    const flats = rows.flat();
    if (termsOf(tensor) > MOST_COMPARED) return flats.map((flat) => [flat]);
    const groups = new Map();
    for (const flat of flats) {
      const reach = [...page.reachOf(trace, tensor.name, flat)];
      const key = reach.map(([name, places]) => `${name} ${[...places]}`).join("|") || flat;
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(flat);
    }
    return [...groups.values()];
  };

  /** The steps of a whole tensor: elements, or rows, one after the other. */
  page.Score = class {
    constructor(trace, name, batched) {
      this.trace = trace;
      this.name = name;
      this.tensor = trace.tensor(name);
      this.layout = page.layout(this.tensor, batched);
      this.element = null;
      this.groups = groupsOf(trace, this.tensor, this.layout);
      this.length = this.groups.length;
      this.known = new Map();
      this.each = termsOf(this.tensor) / this.tensor.size;
    }

    get seconds() {
      return Math.min(ALL_SECONDS, this.length * ONE_SECOND);
    }

    /** {written, lit, window, moves, explained}: elements written; tensor -> flat -> kind; tensor -> places; what moves
     * where, {name, flat, to}; the elements that lit and window belong to. */
    step(n) {
      if (!this.known.has(n)) this.known.set(n, this._step(this.groups[n]));
      return this.known.get(n);
    }

    _step(written) {
      const explained = written.length * this.each > MOST_TERMS ? written.slice(-1) : written;
      const isTold = written.length <= MOST_TOLD;
      const lit = new Map();
      const moves = [];
      for (const to of explained) {
        const node = nodeOf(this.trace, this.name, to);
        const terms = core.terms(node);
        merge(lit, page.litOf(this.trace, this.name, to, node, terms));
        if (isTold) moves.push(...movedTo(this.trace, terms).map((from) => ({ ...from, to })));
      }
      return { written, explained, lit, moves, window: windowOf(this.trace, this.name, explained), running: null };
    }

    /** What a step shows, in words: of several elements that read the same, those that are not 0. */
    says(n) {
      const { written, explained } = this.step(n);
      const named = (flat) => page.elementName(this.name, this.tensor.shape, flat);
      if (written.length === 1) return sentence(this.trace, this.name, written[0]);
      const telling = written.filter((flat) => this.tensor.values[flat] !== 0);
      if (this.length < this.tensor.size && written.length <= MOST_TOLD && telling.length <= 1) {
        const others = `${written.length - 1} others that read the same are 0`;
        return `${sentence(this.trace, this.name, telling[0] ?? written[0])}; ${others}`;
      }
      const span = `${named(written[0])} to ${named(written[written.length - 1])}`;
      return explained.length === written.length ? span : `${span}; lit is what the last one was made from`;
    }
  };

  /** conv1.x[0,1] = 0.2*0.5 + 0.1*0.4 = 0.14 */
  const sentence = (trace, name, flat) => {
    const tensor = trace.tensor(name);
    const explanation = new core.Explanation(trace, tensor, page.indexOf(tensor.shape, flat));
    const pinned = tensor.pinned ? `; ${tensor.status}: ${explanation.written}` : "";
    return page.typeset(`${explanation.name} = ${explanation.numbers()}${pinned}`);
  };
  page.sentenceOf = sentence;
})();
