"use strict";
/* Changing numbers in place: double click, F2 or a digit; Enter keeps, Escape leaves, Tab goes on to the next cell. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  page.Edit = class {
    constructor(app) {
      this.app = app;
      this.open = null;
    }

    beginAt(name, flat) {
      this.app.network.reveal(name, flat);
      const cell = this.app.network.cellOf(name, flat, true);
      if (cell) this.begin(cell);
    }

    /** typed: what the person has typed already; else the number itself is there to be changed. */
    begin(cell, typed = null) {
      if (this.open && !this.finish()) return;
      const { tensor: name, flat } = cell.dataset;
      const tensor = this.app.trace.tensor(name);
      if (this.app.trace.model.exercise) {
        this._tell(cell, "This number is printed on the sheet.");
        return;
      }
      if (!tensor.editable) {
        page.say(
          tensor.shows ? `${name} shows ${tensor.shows} in another shape.` : `${name} follows from other numbers.`,
        );
        this._tell(
          cell,
          tensor.shows
            ? `This shows ${tensor.shows} in another shape; change it there.`
            : "This number follows from others; change those.",
        );
        return;
      }
      const spoken = page.spokenName(tensor, page.layout(tensor, this.app.batched), Number(flat));
      const value = typed === null ? String(tensor.values[Number(flat)]) : typed;
      const input = h("input", {
        class: "editor",
        type: "text",
        inputmode: "decimal",
        autocomplete: "off",
        spellcheck: "false",
        "aria-label": `New number for ${spoken}`,
      });
      input.value = value;
      this.open = { cell, input, name, flat: Number(flat), before: value, computed: !tensor.given && !tensor.pinned };
      cell.classList.add("editing");
      cell.append(input);
      input.addEventListener("keydown", (event) => this._key(event));
      input.addEventListener("blur", () =>
        setTimeout(
          () => this.open && this.open.input === input && document.activeElement !== input && this.finish(true),
        ),
      );
      input.addEventListener("input", () => this._clearProblem());
      input.focus();
      if (typed === null) input.select();
    }

    _key(event) {
      const { cell, name, flat } = this.open;
      event.stopPropagation();
      if (event.key === "Enter") {
        if (this.finish()) this._focus(name, flat);
      } else if (event.key === "Escape") {
        this.cancel();
        this._focus(name, flat);
      } else if (event.key === "Tab") {
        if (this.finish()) this._next(cell, name, flat, event.shiftKey ? -1 : 1);
      } else return;
      event.preventDefault();
    }

    _focus(name, flat) {
      const cell = this.app.network.cellOf(name, flat, true);
      if (cell) this.app.network.views.get(name).gridOf(flat).focus(cell);
    }

    /** Tab goes on in the same tensor, then in the next one that can be changed. */
    _next(cell, name, flat, by) {
      const { network, trace } = this.app;
      const size = trace.tensor(name).values.length;
      if (flat + by >= 0 && flat + by < size) {
        this.beginAt(name, flat + by);
        return;
      }
      const names = trace.names.filter((other) => network.shows(other) && trace.tensor(other).editable);
      const other = names[(names.indexOf(name) + by + names.length) % names.length];
      this.beginAt(other, by > 0 ? 0 : trace.tensor(other).values.length - 1);
    }

    /** Takes the number over. Returns whether that went well; leaving: a number that can't be read is given up. */
    finish(leaving = false) {
      if (!this.open) return true;
      const { input, name, flat, before, computed } = this.open;
      if (input.value === before && before === String(this.app.trace.tensor(name).values[flat])) {
        this.cancel();
        return true;
      }
      const { value, problem } = page.readNumber(input.value);
      if (problem) {
        if (leaving) this.cancel();
        else this._problem(problem);
        return false;
      }
      this.cancel();
      try {
        this.app.trace.set(name, flat, value);
      } catch (error) {
        page.say(error.message);
        this._tell(this.app.network.cellOf(name, flat), error.message);
        return false;
      }
      const pins = computed ? ` ${name} is now pinned.` : "";
      const { loss } = this.app.trace;
      const held = page.heldBack(this.app.trace.heldBack(name));
      page.say(`${name} changed to ${value}.${pins}${loss === null ? "" : ` Loss ${page.plain(loss)}.`} ${held}`.trim());
      if (held) this._tell(this.app.network.cellOf(name, flat), held);
      return true;
    }

    cancel() {
      if (!this.open) return;
      const { cell, input } = this.open;
      this.open = null;
      this._clearProblem();
      cell.classList.remove("editing");
      input.remove();
    }

    unpin(name) {
      this.app.trace.unpin(name);
      page.say(`${name} is computed again.`);
    }

    _problem(words) {
      const { cell, input } = this.open;
      this._clearProblem();
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", "edit-problem");
      this._bubble(cell, words, "edit-problem");
    }

    _clearProblem() {
      page.byId("edit-problem")?.remove();
      if (this.open) this.open.input.removeAttribute("aria-invalid");
    }

    /** Says something beside a cell for a moment. */
    _tell(cell, words) {
      if (!cell) return;
      const bubble = this._bubble(cell, words, "edit-told");
      setTimeout(() => bubble.remove(), 4000);
    }

    _bubble(cell, words, id) {
      page.byId(id)?.remove();
      const box = cell.getBoundingClientRect();
      const bubble = h("div", { class: "bubble", id, role: "alert" }, page.withCode(words));
      document.body.append(bubble);
      const left = Math.max(8, Math.min(innerWidth - bubble.offsetWidth - 8, box.left));
      const below = box.bottom + 6 + bubble.offsetHeight < innerHeight;
      bubble.style.left = `${left}px`;
      bubble.style.top = `${below ? box.bottom + 6 : box.top - 6 - bubble.offsetHeight}px`;
      return bubble;
    }
  };
})();
