"use strict";
/* What needs answers from Python: other examples, the builder, checking. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const { OFFLINE } = page;

  page.Served = class {
    constructor(app, element) {
      this.app = app;
      this.element = element;
      this.problem = h("p", { class: "problem", role: "alert" });
    }

    /** The controls for a model. */
    open() {
      const { model } = this.app.trace;
      this.served = this.served || Boolean(model.served);
      if (this.served) page.carrier.opened?.();
      const parts = this.served
        ? this._controls(model)
        : [...this._shipped(model), h("details", { class: "offline" }, h("summary", {}, "Your own network or code"), h("p", {}, page.withCode(OFFLINE)))];
      this.problem.textContent = "";
      this.element.replaceChildren(...parts, this.problem);
    }

    _controls(model) {
      this.select = h("select", { id: "example", onchange: () => this.choose() });
      this.filled = this._fill(model.name); // what offers things by an example's name waits for it
      return [
        h("label", { for: "example" }, h("span", {}, "example"), this.select),
        h("button", { type: "button", id: "build", onclick: () => this.app.builder.open() }, "Build a network\u2026"),
        h("button", { type: "button", id: "write", onclick: () => this.app.builder.write() }, "Write an equation\u2026"),
        h("button", { type: "button", id: "check", onclick: () => this.app.checker.open() }, "Check my numbers\u2026"),
        h("button", { type: "button", id: "derive", onclick: () => this.app.deriver.open() }, "Check a derivation\u2026"),
        h("button", { type: "button", id: "code", onclick: () => this.app.coder.open() }, "Check my code\u2026"),
      ];
    }

    /** Without anybody to ask: the page's own network and the examples that came with it. */
    _shipped(model) {
      const names = [...new Set([page.ownModel().name, ...page.shippedModels().keys()])];
      if (names.length === 1 || !page.shippedModels().size) return [];
      this.select = h(
        "select",
        { id: "example", onchange: () => this.choose() },
        names.map((name) => h("option", { value: name }, name)),
      );
      this.select.value = model.name;
      return [h("label", { for: "example" }, h("span", {}, "example"), this.select)];
    }

    /** The model of an example; asked for where it did not come with the page. */
    async _model(name) {
      const own = page.ownModel();
      if (!this.served && name === own.name) return own;
      return page.shippedModels().get(name) ?? (await page.ask(`/api/example?name=${encodeURIComponent(name)}`));
    }

    async _fill(name) {
      try {
        this.examples = this.examples || (await page.ask("/api/examples"));
        const names = this.examples.map((example) => example.name);
        const own = names.includes(name) ? [] : [h("option", { value: "" }, name || "own network")];
        this.select.replaceChildren(
          ...own,
          ...this.examples.map(({ name: value, about }) => h("option", { value, title: about }, value)),
        );
        this.select.value = names.includes(name) ? name : "";
      } catch (error) {
        page.tellIn(this.problem, error.message);
      }
    }

    /** An example, by its name. */
    async turnTo(name) {
      await this.filled;
      this.select.value = name;
      await this.choose();
    }

    async choose() {
      if (!this.select.value) return;
      this.problem.textContent = "";
      document.body.classList.add("waiting");
      try {
        const model = await this._model(this.select.value);
        const from = document.activeElement && document.activeElement.id;
        this.app.open(model);
        if (from) page.byId(from)?.focus();
        page.say(`${model.title || model.name} is shown.`);
      } catch (error) {
        page.tellIn(this.problem, error.message);
      } finally {
        document.body.classList.remove("waiting");
      }
    }
  };
})();
