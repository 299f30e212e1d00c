"use strict";
/* Exercises: a sheet is set in the network itself; its blanks take answers, which are marked, with the mistake named. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const MARKS = {
    right: ["\u2713", "right"],
    wrong: ["\u2717", "wrong"],
    follows: ["\u2248", "right, given the earlier mistake"],
    open: ["", ""],
  };
  const UNEXPLAINED = "no known slip explains it.";
  const LEVELS = {
    easy: "Easy: sums and maxima of the forward pass",
    medium: "Medium: deltas and gradients",
    hard: "Hard: whole chains, with the update",
  };

  page.Exercises = class {
    constructor(app) {
      this.app = app;
      app.exercises = this;
      this.button = h("button", { type: "button", id: "exercises", onclick: () => this.ask() }, "Exercises\u2026");
      this.dialog = h("dialog", { id: "setting", class: "dialog", "aria-labelledby": "setting-title" });
      byId("help").before(this.dialog);
      this.bar = h("section", { id: "exercise", class: "exercise-bar", "aria-labelledby": "exercise-title", hidden: true });
      document.querySelector("main").before(this.bar);
      this.inputs = [];
      new MutationObserver(() => this._cover()).observe(byId("network"), { childList: true, subtree: true });
    }

    /** A network is opened. */
    opened() {
      const { model } = this.app.trace;
      this.exercise = model.exercise ?? null;
      document.body.classList.toggle("has-exercise", Boolean(this.exercise));
      this.bar.hidden = !this.exercise;
      this.button.remove();
      if (this.app.served.served && !this.exercise) byId("source").append(this.button);
      this.inputs = [];
      if (this.exercise) this._set(model);
    }

    looked() {
      this._cover();
    }

    /** Numbers have changed: answers may have been told, or taken back. */
    changed() {
      if (!this.exercise) return;
      this._cover();
      this.app.network.drawLines();
    }

    /** Whether an element is a blank that is still open: then its number is not told. */
    covers({ name, flat }) {
      return Boolean(this.exercise) && Number.isNaN(this.app.trace.tensor(name).values[flat]);
    }

    /** What is typed in a blank, from 0. */
    get texts() {
      return this.inputs.map(({ input }) => input.value);
    }

    _set(model) {
      const { blanks, hidden, difficulty, seed } = this.exercise;
      this.inputs = blanks.map(([name, flat], n) => this._input(name, flat, n));
      this.placeOf = new Map(blanks.map(([name, flat], n) => [`${name} ${flat}`, n]));
      this.hidden = new Set(hidden.map(([name, flat]) => `${name} ${flat}`));
      this.told = h("div", { class: "exercise-told" });
      this.next = this._button("next-sheet", "Next sheet", () => this.start({ ...this._asked(), seed: seed + 1 }));
      this.check = this._button("check-answers", "Check", () => this.mark(), "primary");
      const served = this.app.served.served;
      this.bar.replaceChildren(
        h(
          "div",
          { class: "exercise-head" },
          h("h2", { id: "exercise-title" }, model.title),
          h("span", { class: "hint" }, `${difficulty}, seed ${seed}`),
        ),
        h("p", {}, model.text.join(" ")),
        h("ol", { class: "blank-list", "aria-label": "Blanks" }, this.inputs.map(({ item }) => item)),
        h(
          "div",
          { class: "actions" },
          this.check,
          served ? this.next : null,
          this._button("tell-answers", "Show the answers", () => this.tell()),
          served ? this._button("other-sheet", "Another kind\u2026", () => this.ask()) : null,
          served ? this._button("leave-exercise", "Leave", () => this.leave()) : null,
        ),
        this.told,
      );
      const [first] = blanks;
      if (!this.app.network.shows(first[0])) this.app.look(this.app.lensFor(null, { name: first[0], flat: first[1] }));
      this._cover();
    }

    _button(id, words, act, kind = "") {
      return h("button", { type: "button", id, class: `small ${kind}`, onclick: act }, words);
    }

    _input(name, flat, n) {
      const tensor = this.app.trace.tensor(name);
      const spoken = page.spokenName(tensor, page.layout(tensor, this.app.batched), flat);
      const input = h("input", {
        type: "text",
        class: "blank-input",
        inputmode: "decimal",
        autocomplete: "off",
        spellcheck: "false",
        "data-blank": n + 1,
      });
      const mark = h("span", { class: "mark", "aria-hidden": "true" });
      const shown = h("span", { class: "answer-box" }, h("span", { class: "answer-number", "aria-hidden": "true" }, n + 1), input, mark);
      const own = h("span", { class: "mark", "aria-hidden": "true" });
      const button = h(
        "button",
        { type: "button", class: "blank-button", onclick: () => this.goTo(n) },
        `(${n + 1}) ${page.elementName(name, tensor.shape, flat)} `,
        own,
      );
      const blank = { input, shown, button, item: h("li", {}, button), marks: [mark, own], spoken };
      input.addEventListener("input", () => this._marked(n, "open"));
      input.addEventListener("focus", () => this.app.explain(name, flat));
      input.addEventListener("keydown", (event) => this._key(event, n));
      this._label(blank, n, "");
      return blank;
    }

    _label({ input, button, spoken }, n, words) {
      const said = words ? `, ${words}` : "";
      input.setAttribute("aria-label", `Blank ${n + 1}, ${spoken}${said}`);
      button.setAttribute("aria-label", `Blank ${n + 1}, ${spoken}${said}`);
    }

    _marked(n, mark) {
      const blank = this.inputs[n];
      const [icon, words] = MARKS[mark];
      blank.shown.dataset.mark = blank.button.dataset.mark = mark;
      for (const element of blank.marks) element.textContent = icon;
      if (mark !== "wrong") blank.input.removeAttribute("aria-invalid");
      else blank.input.setAttribute("aria-invalid", "true");
      this._label(blank, n, words);
    }

    _key(event, n) {
      event.stopPropagation();
      if (event.key !== "Enter") return;
      event.preventDefault();
      if (n + 1 < this.inputs.length) this.goTo(n + 1);
      else this.check.focus();
    }

    /** The blank comes into view, with the focus. */
    goTo(n) {
      const { app } = this;
      const [name, flat] = this.exercise.blanks[n];
      if (!app.network.shows(name)) app.look(app.lensFor(null, { name, flat }));
      app.network.reveal(name, flat);
      this._cover();
      const { input, shown } = this.inputs[n];
      const cell = app.network.cellOf(name, flat, true);
      (shown.isConnected ? input : cell)?.focus();
    }

    /** Blanks lie over the cells of their numbers; others that would give them away are empty. */
    _cover() {
      if (!this.exercise || !this.placeOf) return;
      for (const [place, n] of this.placeOf) this._coverOne(place, this.inputs[n].shown);
      for (const place of this.hidden) this._coverOne(place, null);
    }

    _coverOne(place, shown) {
      const [name, flat] = [place.slice(0, place.lastIndexOf(" ")), Number(place.slice(place.lastIndexOf(" ") + 1))];
      const cell = this.app.network.cellOf(name, flat);
      if (!cell) return;
      const open = this.covers({ name, flat });
      cell.classList.toggle("blank", open && Boolean(shown));
      cell.classList.toggle("follows-from-answers", open && !shown);
      if (!open) {
        shown?.remove();
        return;
      }
      if (shown) {
        if (shown.parentElement === cell && cell.childNodes.length === 1) return;
        const focused = shown.contains(document.activeElement);
        cell.replaceChildren(shown);
        cell.tabIndex = -1;
        cell.setAttribute("aria-label", "");
        if (focused) shown.querySelector("input").focus();
      } else if (cell.textContent) {
        cell.textContent = "";
        cell.setAttribute("aria-label", `${name}: follows from your answers`);
      }
    }

    /** Marks what is filled in. */
    async mark() {
      const { texts } = this;
      const wrong = texts.findIndex((text) => text.trim() && page.readNumber(text).problem);
      if (wrong >= 0) {
        this._problem(page.readNumber(texts[wrong]).problem);
        this.goTo(wrong);
        return;
      }
      if (!texts.some((text) => text.trim())) {
        this._problem("Nothing is filled in yet.");
        return;
      }
      try {
        this._report(await this._ask(texts, false));
      } catch (error) {
        this._problem(error.message);
      }
    }

    /** The marks, from the file itself or from Python. */
    async _ask(texts, tell) {
      const { model } = this.app.trace;
      const { marking } = this.exercise;
      if (marking) return { ...page.markedAlone(model, texts), answers: marking.answers };
      const answers = texts.map((text) => (text.trim() ? page.tomlNumber(text) : ""));
      return page.ask("/api/marks", { worksheet: this._asked(), answers, tell });
    }

    _asked() {
      return this.app.asked?.worksheet;
    }

    _problem(words) {
      this.told.replaceChildren(page.problem(words));
      page.say(words);
    }

    _report({ marks, causes, notes }) {
      marks.forEach((mark, n) => this._marked(n, mark));
      const count = (mark) => marks.filter((own) => own === mark).length;
      const parts = [`${count("right")} of ${marks.length} right`];
      if (count("follows")) parts.push(`${count("follows")} right, given the earlier mistake`);
      if (count("wrong")) parts.push(`${count("wrong")} wrong`);
      if (count("open")) parts.push(`${count("open")} still to be entered`);
      const summary = `${parts.join(", ")}.`;
      const lines = causes.map(({ blanks, words }) => `${blanks.map((n) => `(${n})`).join(", ")} Cause: ${words ?? UNEXPLAINED}`);
      const told = [...lines, ...notes.map((words) => `Note: ${words}`)];
      this.told.replaceChildren(
        h("p", { class: "summary" }, summary),
        told.length ? h("ul", {}, told.map((words) => h("li", {}, words))) : "",
      );
      page.say([summary, ...told].join(" "));
      if (marks.every((mark) => mark === "right") && this.next.isConnected) this.next.focus();
      else if (count("wrong")) this.goTo(marks.indexOf("wrong"));
    }

    /** The answers take their places: each can be explained then. */
    async tell() {
      const { trace } = this.app;
      try {
        const { answers } = await this._ask(this.texts.map(() => ""), true);
        if (trace !== this.app.trace) return;
        trace.together(() => {
          for (const [name, values] of Object.entries(answers)) trace.setAll(name, values);
        });
        this.told.replaceChildren(h("p", {}, "The answers are shown. Choose one to see where it comes from."));
        page.say("The answers are shown.");
      } catch (error) {
        this._problem(error.message);
      }
    }

    /** What kind of sheet it is to be. */
    ask() {
      const { difficulty = "medium", blanks = 6, seed = 0, example = "" } = this._asked() ?? {};
      this.level = h("select", { id: "sheet-level" }, Object.entries(LEVELS).map(([value, words]) => h("option", { value }, words)));
      this.level.value = difficulty;
      this.count = h("input", { id: "sheet-blanks", type: "number", min: 1, max: 100, value: blanks });
      this.seed = h("input", { id: "sheet-seed", type: "number", min: 0, value: seed });
      const examples = (this.app.served.examples ?? []).map(({ name }) => h("option", { value: name }, name));
      this.of = h("select", { id: "sheet-example" }, h("option", { value: "" }, "One for exercises"), examples);
      this.of.value = example;
      this.problem = h("p", { class: "problem", role: "alert" });
      const field = (input, words) => h("label", { for: input.id, class: "field" }, words, input);
      const start = (event) => {
        event.preventDefault();
        this._start();
      };
      this.dialog.replaceChildren(
        h("h2", { id: "setting-title" }, "Exercises"),
        h("p", {}, "Numbers of a network are left out; you calculate them. The same seed sets the same sheet."),
        h(
          "form",
          { onsubmit: start },
          h(
            "div",
            { class: "fields" },
            field(this.level, "How hard"),
            field(this.of, "Network"),
            field(this.count, "Blanks"),
            field(this.seed, "Seed"),
          ),
          this.problem,
          h(
            "div",
            { class: "actions end" },
            h("button", { type: "submit", id: "set-sheet", class: "primary" }, "Set the sheet"),
            h("button", { type: "button", id: "close-setting", onclick: () => this.dialog.close() }, "Close"),
          ),
        ),
      );
      this.dialog.showModal();
      this.level.focus();
    }

    async _start() {
      const asked = { difficulty: this.level.value, blanks: Number(this.count.value), seed: Number(this.seed.value) };
      if (this.of.value) asked.example = this.of.value;
      const problem = await this.start(asked);
      if (problem) page.tellIn(this.problem, problem);
      else this.dialog.close();
      if (!problem) this.goTo(0);
    }

    /** Sets a sheet. Returns what is wrong with what was asked, null where nothing is. */
    async start(asked) {
      document.body.classList.add("waiting");
      try {
        const body = { worksheet: asked };
        this.app.open(await page.ask("/api/model", body), { asked: body });
        page.say(`${this.app.trace.model.title}. ${this.inputs.length} blanks.`);
        if (!this.dialog.open) this.goTo(0);
        return null;
      } catch (error) {
        if (!this.dialog.open) this._problem(error.message);
        return error.message;
      } finally {
        document.body.classList.remove("waiting");
      }
    }

    /** Back to an example. */
    async leave() {
      const { select } = this.app.served;
      select.value = "classic";
      await this.app.served.choose();
      this.button.focus();
    }
  };
  page.parts.push(page.Exercises);
})();
