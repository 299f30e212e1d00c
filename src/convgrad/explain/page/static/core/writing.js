// Nodes as people write them: 0.0686*0.88 - 0.0681*0.70; the rules of convgrad/explain/trace/writing.py.
(() => {
  "use strict";
  const core = globalThis.convgrad.core;
  const [SUM, SIGN, PRODUCT, POWER, PRIMARY] = [0, 1, 2, 3, 4]; // how tightly a piece holds together
  const { limit: LIMIT, shown: SHOWN } = core.TABLES.sums; // terms of a sum that are all shown, and of a longer one

  class Writer {
    /** reading: a node of kind "read" -> its text. limit: terms of a sum that are written, null for all. */
    constructor(reading, { latex = false, limit = LIMIT } = {}) {
      Object.assign(this, { reading, latex, limit });
    }

    text(node) {
      return this.piece(node)[0];
    }

    /** The node as it stands in a product. */
    factor(node) {
      return this.atLeast(POWER, node);
    }

    piece(node) {
      const [negative, size] = this.signed(node);
      return negative ? [`-${size[0]}`, SIGN] : size;
    }

    /** Whether a minus sign stands in front, and what stands behind it. */
    signed(node) {
      switch (node.kind) {
        case "constant":
        case "read":
          return this.atom(node);
        case "negative":
          return this.negative(node);
        case "product": {
          const signs = node.children.flatMap((factor, place) => (this.signed(factor)[0] ? [place] : []));
          const pulled = signs.length % 2 ? signs[0] : null;
          return [pulled !== null, [this.product(node, pulled), PRODUCT]];
        }
        case "quotient": {
          const [negative, top] = this.signed(node.children[0]);
          if (this.latex) return [negative, [`\\frac{${top[0]}}{${this.text(node.children[1])}}`, PRIMARY]];
          const head = top[1] >= PRODUCT ? top[0] : this.parenthesised(top[0]);
          return [negative, [`${head}/${this.factor(node.children[1])}`, PRODUCT]];
        }
        case "choice":
          return this.signed(node.taken);
        default:
          return [false, this.unsigned(node)];
      }
    }

    atom(node) {
      const text = node.kind === "constant" ? core.writtenAlone(node.value) : this.reading(node);
      const negative = text.startsWith("-");
      const size = negative ? text.slice(1) : text;
      const isNumber = /^[0-9]/.test(size) || size === "inf";
      return [negative, [this.latex && isNumber ? core.latexNumber(size) : size, PRIMARY]];
    }

    negative(node) {
      const [part] = node.children;
      if (part.kind === "product") return [true, [this.product(part, null), PRODUCT]];
      const [negative, size] = this.signed(part);
      if (size[1] === SUM || negative) return [true, [this.parenthesised(this.text(part)), PRIMARY]];
      return [true, size];
    }

    unsigned(node) {
      switch (node.kind) {
        case "total":
          return this.total(node);
        case "raised": {
          const exponent = core.exponentText(node.exponent) ?? core.writtenAlone(node.exponent);
          const base = this.atLeast(PRIMARY, node.children[0]);
          if (this.latex) return [`${base}^{${exponent}}`, POWER];
          return [`${base}^${/^-|[/]/.test(exponent) ? this.parenthesised(exponent) : exponent}`, POWER];
        }
        case "applied":
          return [
            this.call(
              node.function,
              node.children.map((part) => this.text(part)),
            ),
            PRIMARY,
          ];
        case "extreme": {
          const cut = this.limit !== null && node.children.length > this.limit;
          const shown = cut ? node.children.slice(0, SHOWN) : node.children;
          const parts = shown.map((part) => this.text(part));
          if (cut) parts.push(this.dots(`${node.children.length - SHOWN} more`));
          return [this.call(node.extreme, parts), PRIMARY];
        }
        default:
          throw new TypeError(`${node.kind} can't be written.`);
      }
    }

    /** One minus sign goes to the front; two stay where they are. pulled: the factor without its own. */
    product(node, pulled) {
      const parts = node.children.map((factor, place) => {
        let [negative, [text, level]] = this.signed(factor);
        if (level < PRODUCT || (level === PRODUCT && place)) text = this.parenthesised(text);
        return negative && place !== pulled ? this.parenthesised(`-${text}`) : text;
      });
      return parts.join(this.latex ? " \\cdot " : "*");
    }

    total(node) {
      let parts = node.loop ? node.children.filter((part) => part.value !== 0) : node.children;
      if (!parts.length) return ["0", PRIMARY];
      let left = 0;
      if (this.limit !== null && parts.length > this.limit) {
        left = parts.length - SHOWN - 1;
        parts = [...parts.slice(0, SHOWN), parts.at(-1)];
      }
      if (parts.length === 1) return this.piece(parts[0]);
      let text = "";
      parts.forEach((part, place) => {
        if (left && place === SHOWN) text += ` + ${this.dots(`${left} more`)}`;
        let [negative, [size, level]] = this.signed(part);
        if (level <= SUM) size = this.parenthesised(size);
        text += text ? (negative ? " - " : " + ") + size : negative ? `-${size}` : size;
      });
      return [text, SUM];
    }

    dots(what) {
      return this.latex ? `\\cdots (\\text{${what}})` : `... (${what})`;
    }

    call(name, parts) {
      return this.latex ? core.callLatex(name, parts) : `${name}(${parts.join(", ")})`;
    }

    atLeast(wanted, node) {
      const [text, level] = this.piece(node);
      return level >= wanted ? text : this.parenthesised(text);
    }

    parenthesised(text) {
      return this.latex ? `\\left(${text}\\right)` : `(${text})`;
    }
  }

  const TOLERANCE = core.TABLES.numbers.tolerance;

  function writtenAlone(value) {
    return core.written(value, null, TOLERANCE);
  }

  function elementText(tensor, index) {
    return index.length ? `${tensor}[${index.map(whole)}]` : tensor;
  }

  function elementLatex(tensor, index) {
    return core.nameLatex(tensor, index.map(whole).join(","));
  }

  function whole(index) {
    return Number.isInteger(index) ? String(index) : core.general(index);
  }

  const SYMBOLS = new Writer((read) => elementText(read.tensor, read.index));

  Object.assign(core, { Writer, SYMBOLS, SHOWN, LIMIT, writtenAlone, elementText, elementLatex });
})();
