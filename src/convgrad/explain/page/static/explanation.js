"use strict";
/* The panel: where a number comes from, or what the page is about. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const LABELS = ["Equation", "Indices put in", "Numbers put in"];

  const HINT =
    "Choose any number: the cells that it came from light up, and this panel shows how it was calculated. Each of them " +
    "can be followed further, back to the input. Double click, or type a digit, to change a number; all else follows.";

  const PICTURE = "Drop a picture of your own on this page, or paste it: it becomes the input, and stays on this machine.";

  const ASKED =
    "This number is asked for. The cells that it is calculated from are lit; below are its equation and, where it has " +
    "indices, these put in.";

  page.Panel = class {
    constructor(app, element) {
      this.app = app;
      this.element = element;
      this.handle = h("button", {
        type: "button",
        class: "handle",
        "aria-expanded": "true",
        onclick: () => this.fold(),
      });
      this.content = h("div", { class: "panel-content" });
      this.beside = h("div", { class: "panel-layer" });
      this.fold(matchMedia("(max-width: 820px)").matches);
      this.scrolls = h(
        "div",
        { class: "panel-scroll", tabindex: "0", role: "group", "aria-label": "Explained" },
        this.content,
        this.beside,
      );
      this.isDown = false;
      this.scrolls.addEventListener("scroll", () => (this.isDown = this.scrolls.scrollTop > 0), { passive: true });
      element.replaceChildren(this.handle, this.scrolls);
    }

    /** On a narrow page the panel is a sheet that can be folded. */
    fold(folded = !this.element.classList.contains("folded")) {
      this.element.classList.toggle("folded", folded);
      document.body.classList.toggle("sheet-folded", folded);
      this.handle.setAttribute("aria-expanded", String(!folded));
    }

    _title(words) {
      this.handle.replaceChildren(h("span", { class: "grip", "aria-hidden": "true" }), h("span", {}, words));
    }

    /** Before anything is chosen. */
    about() {
      const { model } = this.app.trace;
      this._title(`About ${model.name || "this network"}`);
      const paragraphs = (model.text || []).map((text) => h("p", {}, text));
      const hints = [HINT, ...(this.app.photo?.isFitting ? [PICTURE] : [])].map((hint) => h("p", { class: "hint" }, hint));
      this.content.replaceChildren(h("h2", {}, page.capital(model.title || model.name)), ...paragraphs, ...hints);
      this.beside.replaceChildren();
    }

    layer(name) {
      this._title(`Layer ${name}`);
      this.content.replaceChildren(this._trail());
      this.beside.replaceChildren(...page.layerPart(this.app, name).flat().filter(Boolean));
      this.fold(false);
      page.byId("layer-title").focus();
    }

    /** An element with its explanation. marks: as `page.marksOf` gives them. */
    show(chosen, explanation, marks) {
      const { app } = this;
      if (!this.opened) this.fold(false);
      this.opened = true;
      const tensor = app.trace.tensor(chosen.name);
      const name = page.elementName(chosen.name, tensor.shape, chosen.flat);
      const open = Boolean(app.exercises?.covers(chosen)); // a blank of an exercise: its number is not told
      const written = open ? "?" : page.typeset(explanation.written);
      this._title(`${name} = ${written}`);
      const value = h(
        "h2",
        { id: "explained", tabindex: "-1" },
        h("span", { class: "element" }, name),
        " = ",
        h("span", { class: "number" }, written),
      );
      this.actions = open ? null : this._actions(chosen, explanation, tensor);
      const parts = [
        this._trail(),
        value,
        this.actions ?? h("p", { class: "hint" }, ASKED),
        ...this._formulas(explanation, tensor, open),
      ];
      if (!open)
        parts.push(
          this._notes(explanation),
          h("div", { class: "sources" }, page.sourcesOf(app, explanation, marks, chosen)),
          page.readersOf(app, chosen),
        );
      this.content.replaceChildren(...parts.flat().filter(Boolean));
      const key = `${chosen.name}`;
      if (this.derived !== key || !this.beside.children.length)
        this.beside.replaceChildren(...page.derivationOf(app, tensor).flat().filter(Boolean));
      this.derived = key;
      if (this.isDown) this.scrolls.scrollTop = 0; // to ask for it would lay the page out
    }

    /** Through another lens: what is explained stays. */
    looked(chosen, explanation) {
      if (!this.actions?.isConnected) return;
      const actions = this._actions(chosen, explanation, this.app.trace.tensor(chosen.name));
      this.actions.replaceWith(actions);
      this.actions = actions;
    }

    say(chosen, explanation) {
      const tensor = this.app.trace.tensor(chosen.name);
      const spoken = page.spokenName(tensor, page.layout(tensor, this.app.batched), chosen.flat);
      if (this.app.exercises?.covers(chosen)) return;
      const numbers = explanation.equation ? explanation.numbers : "";
      const notes = explanation.notes.map(({ text }) => text).join(". ");
      page.say([`${spoken} is ${explanation.written}, ${explanation.status}.`, numbers, notes].join(" ").trim());
    }

    _trail() {
      const { trail } = this.app;
      if (!trail.length) return h("nav", { class: "trail empty", "aria-label": "Trail" });
      const link = ({ name, flat }, n) => {
        const text = page.elementName(name, this.app.trace.tensor(name).shape, flat);
        const last = n === trail.length - 1;
        return h(
          "li",
          {},
          h(
            "button",
            { type: "button", class: "crumb", "aria-current": last ? "true" : null, onclick: () => this.app.backTo(n) },
            text,
          ),
        );
      };
      const back = h(
        "button",
        { type: "button", class: "small back", disabled: trail.length < 2, onclick: () => this.app.back() },
        page.iconed("\u2190", "Back"),
      );
      const first = Math.max(0, trail.length - 6);
      const skipped = first ? [h("li", { class: "skipped" }, "\u2026")] : [];
      return h(
        "nav",
        { class: "trail", "aria-label": "Trail" },
        back,
        h(
          "ol",
          {},
          skipped,
          trail.slice(first).map((at, n) => link(at, first + n)),
        ),
      );
    }

    _actions(chosen, explanation, tensor) {
      const { app } = this;
      const edit =
        tensor.editable &&
        h(
          "button",
          { type: "button", class: "small", onclick: () => app.edit.beginAt(chosen.name, chosen.flat) },
          tensor.given || tensor.pinned ? "Change\u2026" : "Change and pin\u2026",
        );
      const unpin =
        tensor.pinned &&
        !app.trace.model.exercise && // there it would compute what is asked
        h(
          "button",
          { type: "button", class: "small", onclick: () => app.edit.unpin(chosen.name) },
          `Unpin ${chosen.name}`,
        );
      const lens = app.lensFor(explanation, chosen);
      const look =
        lens !== app.network.lens &&
        h(
          "button",
          { type: "button", class: "small", onclick: () => app.look(lens) },
          `See it in ${page.LENSES[lens].title}`,
        );
      return h(
        "div",
        { class: "actions" },
        app.trace.model.exercise
          ? null
          : h("span", { class: `status ${tensor.pinned ? "pinned" : ""}` }, explanation.status),
        edit,
        unpin,
        look,
      );
    }

    /** What was chosen and why; how many terms are 0 stands where these are. */
    _notes(explanation) {
      const notes = explanation.notes.filter(({ kind }) => kind !== "zeros");
      return notes.length
        ? h(
            "ul",
            { class: "notes" },
            notes.map(({ text }) => h("li", {}, text)),
          )
        : null;
    }

    /** open: without the numbers put in. */
    _formulas(explanation, tensor, open = false) {
      if (!explanation.equation || !explanation.latex)
        return [
          h(
            "p",
            { class: "hint" },
            tensor.shows ? "" : "This number was given; it comes from nowhere else in the network.",
          ),
        ];
      const lines = page.latexLines(explanation.latex);
      const last = lines.length - 1;
      if (open) lines.pop();
      else if (last > 0) lines[last] = lines[last - 1].split(" = ")[0] + " " + page.breakable(lines[last]);
      const labels =
        open || lines.length === 3 ? LABELS : lines.length === 2 ? [LABELS[0], LABELS[2]] : LABELS.slice(2);
      return [
        h(
          "dl",
          { class: "formulas" },
          lines.map((line, n) => [
            h("dt", {}, labels[n] || ""),
            h(
              "dd",
              {},
              h(
                "div",
                { class: "scrolled", tabindex: "0", role: "group", "aria-label": labels[n] || "formula" },
                page.formula(line),
              ),
            ),
          ]),
        ),
      ];
    }

    /** Focus goes to the first source, or to the title where there is none. */
    focusSources() {
      const target = this.content.querySelector(".source") || page.byId("explained");
      if (target) target.focus();
    }
  };
})();
