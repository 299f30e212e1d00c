"use strict";
/* Small helpers for the document: elements, formulas, numbers that are typed, words for screen readers. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  /** Classes, each made once with the app, that are told what happens: see main.js. */
  page.parts = [];

  /** An element: h("button", {class: "x", onclick: f, "aria-label": "y"}, children); null and false are left out. */
  page.h = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(
      ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
    );
    return element;
  };

  /** Words in which commands and names stand between backticks, as on paper. */
  page.withCode = (words) => {
    const parts = words.split("`");
    return parts.length % 2 ? parts.map((part, n) => (n % 2 ? page.h("code", {}, part) : part)) : [words];
  };

  /** An element says these words, often those of an error. */
  page.tellIn = (element, words) => element.replaceChildren(...page.withCode(words));

  /** A problem's words as a paragraph. */
  page.problem = (words) => page.h("p", { class: "problem" }, page.withCode(words));

  /** An element's children become these, of which those that stand there stay: what is taken off and put back again is
   * laid out again, too. */
  page.arrange = (parent, children) => {
    const wanted = new Set(children);
    for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
    let next = parent.firstChild;
    for (const child of children) {
      if (child === next) next = next.nextSibling;
      else parent.insertBefore(child, next);
    }
  };

  /** How far to scroll so that what lies from low to high comes into a room that begins at `from`, with margins in it. */
  const shift = (low, high, from, size, before, after) => {
    const start = low - from - (parseFloat(before) || 0);
    const end = high - from - size + (parseFloat(after) || 0);
    return start < 0 && end < 0 ? Math.max(start, end) : start > 0 && end > 0 ? Math.min(start, end) : 0;
  };

  /** Scrolls as little as brings an element into view, in all that scrolls around it. Not by `scrollIntoView`, after which
   * some browsers (Chromium 150) go on from that element at the next Tab, and not from where the focus is. */
  page.bringIntoView = (element) => {
    if (!element.getClientRects().length) return; // it is not shown
    for (let around = element.parentElement; around; around = around.parentElement) {
      const style = getComputedStyle(around);
      const whole = around === document.documentElement;
      if (!whole && style.overflowX === "visible" && style.overflowY === "visible") continue;
      const box = element.getBoundingClientRect();
      const { left, top } = whole ? { left: 0, top: 0 } : around.getBoundingClientRect();
      const { scrollPaddingLeft, scrollPaddingRight, scrollPaddingTop, scrollPaddingBottom } = style;
      around.scrollBy(
        shift(box.left, box.right, left + around.clientLeft, around.clientWidth, scrollPaddingLeft, scrollPaddingRight),
        shift(box.top, box.bottom, top + around.clientTop, around.clientHeight, scrollPaddingTop, scrollPaddingBottom),
      );
    }
  };

  page.svg = (tag, attributes, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  const wanted = new Map();
  /** Does something once when the present event is done with, however often it is asked for until then. What looks where
   * things lie waits for what changes them, so that the browser lays them out once. */
  page.soon = (key, act) => {
    if (!wanted.size)
      queueMicrotask(() => {
        const acts = [...wanted.values()];
        wanted.clear();
        acts.forEach((each) => each());
      });
    wanted.set(key, act);
  };

  /** When the next frame is shown and nothing else is to be done, act(hasTime), for as long as that says so. */
  page.whenIdle = (act) =>
    requestAnimationFrame(() => {
      const { requestIdleCallback } = window;
      if (requestIdleCallback) requestIdleCallback((idle) => act(() => idle.timeRemaining() > 0), { timeout: 200 });
      else setTimeout(() => act(() => false));
    });

  page.byId = (id) => document.getElementById(id);

  const formulas = new Map();
  const OUTSIDE = /\\qquad \((.*?\\mathrm\{outside\})\)/g;

  /** A formula of KaTeX may break behind every dot; its pieces that end in one are put together with the next. */
  const productsTogether = (html) => {
    const holder = page.h("template");
    holder.innerHTML = html; // made by KaTeX, which escapes what it is given
    for (const formula of holder.content.querySelectorAll(".katex-html")) {
      let product = null;
      for (const piece of [...formula.children]) {
        const goesOn = piece.textContent.endsWith("\u22c5");
        if (goesOn && !product) piece.before((product = page.h("span", { class: "product" })));
        if (product) product.append(piece);
        if (!goesOn) product = null;
      }
    }
    return holder.innerHTML;
  };

  /** LaTeX as a formula, with MathML for screen readers. It may break at = and + where the room is narrow. */
  page.formula = (latex, className = "formula") => {
    if (!formulas.has(latex)) {
      if (formulas.size > 2000) formulas.clear();
      const kept = latex.replace(OUTSIDE, "\\allowbreak\\quad {($1)}"); // what is read outside stays in one line
      const bounds = { trust: false, maxSize: 20, maxExpand: 200 };
      const options = { throwOnError: false, output: "htmlAndMathml", strict: false, ...bounds };
      formulas.set(latex, productsTogether(katex.renderToString(`\\displaystyle ${kept}`, options)));
    }
    const element = page.h("span", { class: className });
    element.innerHTML = formulas.get(latex); // made by KaTeX, which escapes what it is given
    return element;
  };

  /** The lines of an aligned LaTeX text; those of cases within stay together. */
  page.latexLines = (latex) => {
    const body = latex.replace(/^\s*\\begin\{aligned\}\s*/, "").replace(/\s*\\end\{aligned\}\s*$/, "");
    const lines = [];
    let open = 0;
    let line = "";
    for (const piece of body.split(/(\\begin\{[a-z]+\}|\\end\{[a-z]+\}|\\\\\s*\n)/)) {
      if (/^\\\\\s*\n$/.test(piece) && open === 0) {
        lines.push(line);
        line = "";
        continue;
      }
      if (piece.startsWith("\\begin")) open += 1;
      if (piece.startsWith("\\end")) open -= 1;
      line += piece;
    }
    lines.push(line);
    return lines.map((text) => text.replace("&=", "=").trim()).filter(Boolean);
  };

  /** Numbers put in: parentheses that need not grow, so that lines may break within them, also between arguments. */
  page.breakable = (latex) =>
    latex.replace(/\\left\(/g, "(").replace(/\\right\)/g, ")").replace(/,\\, /g, ",\\allowbreak\\, ");

  const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

  /** So much of what a person wrote is said again. */
  page.cut = (text) => (String(text).length > 40 ? `${String(text).slice(0, 40)}\u2026` : String(text));

  const tooLarge = (text) => `${page.cut(text)} is too large for a number of 64 bits.`;

  /** The number that a text means, or {problem: what is wrong with it}. Takes 0,5 and 1/3, too. */
  page.readNumber = (text) => {
    const plain = text
      .trim()
      .replace(/\u2212/g, "-")
      .replace(/\s*\/\s*/g, "/") // but "1 2" is not 12
      .replace(/^([+-])\s+/, "$1");
    if (plain === "") return { problem: "Nothing is written here. Write a number, such as 0.5." };
    const parts = plain.split("/");
    if (parts.length === 2 && parts.every((part) => NUMBER.test(part))) {
      const [above, below] = parts.map(Number);
      if (below === 0) return { problem: "Nothing can be divided by 0." };
      const within = Number.isFinite(below) && Number.isFinite(above / below);
      return within ? { value: above / below } : { problem: tooLarge(plain) };
    }
    const pointed = /^[+-]?\d+,\d+$/.test(plain) ? plain.replace(",", ".") : plain;
    if (!NUMBER.test(pointed))
      return { problem: `\u201c${page.cut(text.trim())}\u201d is not a number. Write one such as 0.5, -3, 1e-4 or 1/3.` };
    const value = Number(pointed);
    return Number.isFinite(value) ? { value } : { problem: tooLarge(text.trim()) };
  };

  /** A minus sign as wide as a plus; of numbers with signs a plus, too. */
  page.typeset = (written, signed = false) => {
    const text = written.replace(/-/g, "\u2212");
    return signed && !text.startsWith("\u2212") && text !== "0" && text !== "nan" ? `+${text}` : text;
  };

  /** A title begins with a capital. */
  page.capital = (title) => title.charAt(0).toUpperCase() + title.slice(1);

  let spoken = 0;
  /** Said by screen readers, once things have settled. */
  page.say = (text) => {
    clearTimeout(spoken);
    spoken = setTimeout(() => {
      page.byId("live").textContent = text.replace(/`/g, "");
    }, 60);
  };

  /** An icon and words; the words alone are read aloud. */
  page.iconed = (icon, words) => [
    page.h("span", { "aria-hidden": "true", class: "icon" }, icon),
    page.h("span", { class: "words" }, words),
  ];
})();
