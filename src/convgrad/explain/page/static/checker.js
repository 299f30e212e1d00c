"use strict";
/* "Check my numbers": a person types own results and sees which are right, wrong, or follow from earlier ones. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const MOST = 200;
  const MARKS = {
    right: ["\u2713", "right"],
    wrong: ["\u2717", "wrong"],
    follows: ["\u2248", "consistent: right, given the earlier mistake"],
  };

  const ABOUT =
    "Type what you have calculated. A number counts for everything that rounds to it as you wrote it. You can fill " +
    "several tensors: a later one that follows rightly from an earlier mistake is marked as consistent.";

  page.Checker = class {
    constructor(app, dialog) {
      this.app = app;
      this.dialog = dialog;
      this.typed = new Map(); // tensor -> texts
      dialog.addEventListener("keydown", (event) => {
        if (event.key === "Escape") this.close();
      });
    }

    /** Another network is opened: its numbers are asked for in place of those of the one before. */
    renew() {
      if (this.dialog.open && this.model !== this.app.trace.model) this.open();
    }

    open() {
      const { trace } = this.app;
      if (this.model !== trace.model) {
        this.typed.clear();
        this.marks = null;
      }
      this.model = trace.model;
      const names = trace.names.filter(
        (name) => trace.tensor(name).equation && !trace.tensor(name).shows && trace.tensor(name).values.length <= MOST,
      );
      const start =
        this.app.chosen && names.includes(this.app.chosen.name)
          ? this.app.chosen.name
          : names.find((name) => trace.tensor(name).role === "gradient") || names[0];
      this.select = h(
        "select",
        { id: "checked-tensor", onchange: () => this._show() },
        names.map((name) => h("option", { value: name }, name)),
      );
      this.select.value = start;
      this.cells = h("div", { class: "check-cells" });
      this.verdict = h("div", { class: "verdict", role: "status" });
      this.dialog.replaceChildren(
        h(
          "div",
          { class: "dialog-head" },
          h("h2", { id: "checker-title" }, "Check my numbers"),
          h("button", { type: "button", class: "small", id: "close-check", onclick: () => this.close() }, "Close"),
        ),
        h("p", {}, ABOUT),
        h("label", { for: "checked-tensor", class: "field" }, "my results for ", this.select),
        this.cells,
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", id: "check-now", class: "primary", onclick: () => this.check() }, "Check"),
          h("button", { type: "button", onclick: () => this._clear() }, "Clear"),
        ),
        this.verdict,
      );
      this._show();
      this.dialog.show();
      this.select.focus();
    }

    close() {
      this.dialog.close();
      page.byId("check")?.focus();
    }

    _clear() {
      this.typed.clear();
      this.marks = null;
      this.verdict.replaceChildren();
      this._show();
    }

    _show() {
      const { trace, batched } = this.app;
      const name = this.select.value;
      const tensor = trace.tensor(name);
      const layout = page.layout(tensor, batched);
      const texts = this.typed.get(name) || Array(tensor.values.length).fill("");
      const planes = Array.from({ length: layout.planes }, (_, plane) => {
        const rows = Array.from({ length: layout.rows }, (_unused, row) =>
          h(
            "div",
            { class: "row" },
            Array.from({ length: layout.columns }, (_also, column) =>
              this._cell(tensor, layout, texts, layout.flat(plane, row, column)),
            ),
          ),
        );
        const grid = h("div", { class: "check-grid" }, rows);
        grid.style.setProperty("--columns", layout.columns);
        return h("figure", {}, layout.planes > 1 ? h("figcaption", {}, layout.planeName(plane)) : null, grid);
      });
      this.cells.replaceChildren(h("div", { class: "scrolled" }, page.formula(tensor.latex)), ...planes);
    }

    _cell(tensor, layout, texts, flat) {
      if (flat >= layout.size) return h("span", {});
      const marks = this.marks && this.marks.get(tensor.name);
      const mark = marks ? marks.flat(Infinity)[flat] : null;
      const [icon, words] = (mark && MARKS[mark]) || ["", ""];
      const input = h("input", {
        type: "text",
        inputmode: "decimal",
        autocomplete: "off",
        "data-flat": flat,
        "aria-label": `My number for ${page.spokenName(tensor, layout, flat)}${words ? `, ${words}` : ""}`,
      });
      input.value = texts[flat];
      input.addEventListener("input", () => {
        texts[flat] = input.value;
        this.typed.set(tensor.name, texts);
        input.removeAttribute("aria-invalid");
        cell.dataset.mark = "";
        icons.textContent = "";
      });
      input.addEventListener("keydown", (event) => event.key === "Enter" && this.check());
      const icons = h("span", { class: "mark", "aria-hidden": "true", title: words }, icon);
      const cell = h("span", { class: "check-cell", "data-mark": mark || "" }, input, icons);
      return cell;
    }

    /** What is wrong with what was typed, as [tensor, place, words]; null where nothing is. */
    _problem() {
      for (const [name, texts] of this.typed) {
        const { shape } = this.app.trace.tensor(name);
        for (const [flat, text] of texts.entries()) {
          if (!text.trim()) {
            if (texts.some((other) => other.trim()))
              return [name, flat, `${page.elementName(name, shape, flat)} is empty. Fill in all numbers of ${name}.`];
            continue;
          }
          const { problem } = page.readNumber(text);
          if (problem) return [name, flat, problem];
        }
      }
      return null;
    }

    async check() {
      const filled = new Map([...this.typed].filter(([, texts]) => texts.some((text) => text.trim())));
      if (!filled.size) {
        this.verdict.replaceChildren(h("p", { class: "problem" }, "Nothing is filled in yet."));
        return;
      }
      const problem = this._problem();
      if (problem) {
        this._pointTo(...problem);
        return;
      }
      const { model } = this;
      try {
        const report = await page.ask("/api/check", { sheet: page.sheetOf(this.app.trace, filled) });
        if (model !== this.model) return;
        this.marks = new Map(report.tensors.map(({ name, marks }) => [name, [marks]]));
        this._show();
        this.verdict.replaceChildren(...report.tensors.map((tensor) => this._told(tensor)).flat());
      } catch (error) {
        this.verdict.replaceChildren(page.problem(error.message));
      }
    }

    _pointTo(name, flat, words) {
      this.select.value = name;
      this._show();
      const input = this.cells.querySelector(`input[data-flat="${flat}"]`);
      input.setAttribute("aria-invalid", "true");
      input.focus();
      this.verdict.replaceChildren(h("p", { class: "problem" }, words));
    }

    _told({ name, mark, cause }) {
      const [icon, words] = MARKS[mark];
      const line = h(
        "p",
        { class: `told ${mark}` },
        h("span", { class: "mark", "aria-hidden": "true" }, icon),
        " ",
        h("strong", {}, name),
        ` is ${words}.`,
      );
      return cause ? [line, h("p", { class: "cause" }, cause.words)] : [line];
    }
  };
})();
