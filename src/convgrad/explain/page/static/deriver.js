"use strict";
/* "Check a derivation": a person pastes one and sees, line by line, what is right. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const ABOUT =
    "Paste a derivation: text with $formulas$ or \\(formulas\\) in LaTeX, numbers and programs, as Markdown, LaTeX, a " +
    "notebook or a web page's source. Each equation, size, number and program gets a verdict, in order.";
  const KINDS = {
    definition: ["\u2013", "given"],
    given: ["\u2013", "given"],
    WRONG: ["\u2717", "wrong"],
    "follows from a wrong line": ["\u2248", "follows"],
    "not understood": ["?", "unclear"],
  };

  /** Lines with places and carets below one another in one block, which is scrolled and not wrapped. */
  const paragraphs = (words) => {
    const found = [];
    let block = null;
    for (const said of words) {
      const isPlaced = said.startsWith("    ");
      if (isPlaced && block) block.textContent += `\n${said}`;
      else if (isPlaced) found.push((block = h("pre", { tabindex: "0" }, said)));
      else {
        found.push(h("p", { class: "cause" }, said));
        block = null;
      }
    }
    return found;
  };

  page.Deriver = class {
    constructor(app, dialog) {
      this.app = app;
      this.dialog = dialog;
      this.typed = "";
      dialog.addEventListener("keydown", (event) => {
        if (event.key === "Escape") this.close();
      });
    }

    open() {
      this.text = h("textarea", {
        id: "derivation-text",
        rows: 12,
        spellcheck: "false",
        "aria-label": "The derivation",
        oninput: () => (this.typed = this.text.value),
      });
      this.text.value = this.typed;
      this.verdict = this.verdict || h("div", { class: "verdict", role: "status" });
      this.dialog.replaceChildren(
        h(
          "div",
          { class: "dialog-head" },
          h("h2", { id: "derivation-title" }, "Check a derivation"),
          h("button", { type: "button", class: "small", id: "close-derivation", onclick: () => this.close() }, "Close"),
        ),
        h("p", {}, ABOUT),
        this.text,
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", id: "derive-now", class: "primary", onclick: () => this.check() }, "Check"),
          h("button", { type: "button", onclick: () => this._clear() }, "Clear"),
        ),
        this.verdict,
      );
      this.dialog.showModal();
      this.text.focus();
    }

    close() {
      this.dialog.close();
      page.byId("derive")?.focus();
    }

    _clear() {
      this.typed = this.text.value = "";
      this.verdict.replaceChildren();
      this.text.focus();
    }

    async check() {
      if (!this.typed.trim()) {
        this.verdict.replaceChildren(h("p", { class: "problem" }, "Nothing is pasted yet."));
        return;
      }
      const asked = this.typed;
      this.verdict.replaceChildren(h("p", {}, "Checking\u2026"));
      try {
        const report = await page.ask("/api/derivation", { text: asked });
        if (asked === this.typed) this._show(report);
      } catch (error) {
        this.verdict.replaceChildren(page.problem(error.message));
      }
    }

    _show(report) {
      this.verdict.replaceChildren(
        h("p", { class: "sum" }, h("strong", {}, report.verdict), `: ${report.summary}`),
        h(
          "ol",
          { class: "parts" },
          report.parts.map((part) => this._part(part)),
        ),
      );
    }

    _part({ line, cell, what, text, mark, words, follows_from: from }) {
      const [icon, kind] = KINDS[mark] || ["\u2713", "right"];
      const place = cell ? `cell ${cell}, line ${line}` : `line ${line}`;
      const title = h("button", { type: "button", class: "place", onclick: () => this._select(line) }, place);
      return h(
        "li",
        { class: `part ${kind}` },
        h(
          "p",
          {},
          h("span", { class: "mark", "aria-hidden": "true" }, icon),
          " ",
          cell ? place : title,
          ` ${what}: `,
          h("strong", {}, mark),
          from ? ` (${from})` : null,
        ),
        what === "program" || what === "output" ? h("pre", {}, text.trim()) : this._formula(text),
        paragraphs(words),
      );
    }

    /** Drawn where it is LaTeX, else as it was written. */
    _formula(text) {
      return /[\\_^]/.test(text) ? h("div", { class: "scrolled" }, page.formula(text)) : h("pre", {}, text);
    }

    /** The line in what was pasted. */
    _select(line) {
      const lines = this.text.value.split("\n");
      const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
      this.text.focus();
      this.text.setSelectionRange(start, start + (lines[line - 1] || "").length);
      this.text.scrollTop = (this.text.scrollHeight * (line - 3)) / lines.length;
    }
  };
})();
