"use strict";
/* A network from a list of layers and equations as text; the server makes it and says what is wrong where. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const FIRST = [
    { type: "Conv2D", filters: "2", kernel_size: "2" },
    { type: "ReLU" },
    { type: "MaxPool2D", pool_size: "2" },
    { type: "Flatten" },
    { type: "Dense", units: "2" },
  ];
  const LOSSES = convgrad.core.TABLES.losses;
  const EQUATION = { type: "Equation", text: "x[f] = max(o[f], 0)", sizes: "" };
  const WRITTEN = {
    type: "Equation",
    text: "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]",
    sizes: "M = 2, N = 2, K = 2",
  };

  page.Builder = class {
    constructor(app, dialog) {
      this.app = app;
      this.dialog = dialog;
      this.named = FIRST.map((layer) => ({ ...layer }));
      this.equations = [{ ...WRITTEN }];
      this.typed = { "built-shape": "5, 5, 1", "built-loss": LOSSES[0], "built-rate": "0.1" };
      dialog.addEventListener("close", () => {
        for (const id of Object.keys(this.typed)) this.typed[id] = page.byId(id).value;
      });
    }

    /** Begins with one equation, to be written over. */
    async write() {
      await this.open(this.equations);
      const text = this.list?.querySelector("textarea");
      text?.focus();
      text?.select();
    }

    /** layers: a list that keeps what a person makes of it. */
    async open(layers = this.named) {
      this.layers = layers;
      try {
        this.known = this.known || (await page.ask("/api/layers"));
      } catch (error) {
        page.tellIn(this.app.served.problem, error.message);
        return;
      }
      const field = (id, words, value, node) =>
        h(
          "label",
          { class: "field", for: id },
          h("span", {}, words),
          node || h("input", { type: "text", id, value, autocomplete: "off" }),
        );
      const loss = h(
        "select",
        { id: "built-loss" },
        LOSSES.map((name) => h("option", { value: name }, name)),
      );
      loss.value = this.typed["built-loss"];
      this.list = h("ol", { class: "layers" });
      this.problem = h("p", { class: "problem", id: "build-problem", role: "alert" });
      this.dialog.replaceChildren(
        h("h2", { id: "builder-title" }, "Build a network"),
        h(
          "div",
          { class: "fields" },
          field("built-shape", "shape of the input", this.typed["built-shape"]),
          field("built-loss", "loss", "", loss),
          field("built-rate", "learning rate", this.typed["built-rate"]),
        ),
        this.list,
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", id: "add-layer", onclick: () => this._add({ type: "ReLU" }) }, "Add a layer"),
          h(
            "button",
            { type: "button", id: "add-equation", onclick: () => this._add({ ...EQUATION }) },
            "Add an equation",
          ),
        ),
        this.problem,
        h(
          "div",
          { class: "actions end" },
          h("button", { type: "button", onclick: () => this.dialog.close() }, "Cancel"),
          h("button", { type: "button", id: "build-share", onclick: () => this._buildAndShare() }, "Build and share\u2026"),
          h("button", { type: "button", id: "build-now", class: "primary", onclick: () => this.build() }, "Build"),
        ),
      );
      this._draw();
      this.dialog.showModal();
      page.byId("built-shape").focus();
    }

    _add(layer) {
      this.layers.push(layer);
      this._draw();
      this.list.lastElementChild.querySelector("select").focus();
    }

    _move(from, to) {
      const [layer] = this.layers.splice(from, 1);
      this.layers.splice(to, 0, layer);
      this._draw();
      this.list.children[to].querySelector(from < to ? ".down" : ".up").focus();
    }

    _remove(place) {
      this.layers.splice(place, 1);
      this._draw();
      (
        this.list.children[Math.min(place, this.layers.length - 1)]?.querySelector("select") || page.byId("add-layer")
      ).focus();
    }

    _choose(place, type) {
      this.layers[place] = type === "Equation" ? { ...EQUATION } : { type };
      this._draw();
      this.list.children[place].querySelector("select").focus();
    }

    _draw() {
      const last = this.layers.length - 1;
      const rows = this.layers.map((layer, place) =>
        page.layerRow(this.known, layer, place, last, {
          choose: (type) => this._choose(place, type),
          move: (to) => this._move(place, to),
          remove: () => this._remove(place),
        }),
      );
      this.list.replaceChildren(...rows);
    }

    /** What the server is asked for. */
    request() {
      const layers = this.layers.map(page.layerRequest);
      const sizes = page.byId("built-shape").value.split(/[,x\s]+/);
      return {
        input_shape: sizes.filter(Boolean).map(Number),
        layers,
        loss: page.byId("built-loss").value,
        learning_rate: page.readNumber(page.byId("built-rate").value).value,
      };
    }

    /** To take along what was asked for: as a program, a link, a picture. */
    async _buildAndShare() {
      if (await this.build()) page.byId("share").click();
    }

    /** Returns whether it is built. */
    async build() {
      for (const row of this.list.children) {
        row.classList.remove("bad");
        row.querySelector(".layer-problem").textContent = "";
      }
      this.problem.textContent = "";
      const request = this.request();
      if (!request.input_shape.length || request.input_shape.some((size) => !Number.isInteger(size) || size < 1)) {
        this._say("The shape of the input is whole numbers, such as 5, 5, 1.", page.byId("built-shape"));
        return false;
      }
      if (!(request.learning_rate >= 0)) {
        this._say("The learning rate is a number, 0 or more, such as 0.1.", page.byId("built-rate"));
        return false;
      }
      if (!request.layers.length) {
        this._say("A network has layers. Add one.", page.byId("add-layer"));
        return false;
      }
      try {
        const model = await page.ask("/api/model", request);
        this.dialog.close();
        this.app.open(model, { asked: request });
        page.say(`${model.name} is built: ${model.layers.length} layers.`);
        return true;
      } catch (error) {
        this._failed(error.message);
        return false;
      }
    }

    /** The error stands at the layer that it names, with the part of the equation selected that it points to. */
    _failed(message) {
      const [, place, type, colon, said] = /^(?:model: )?layer (\d+)(?: \(([^)]*)\)(:?))? ([^]*)$/.exec(message) || [];
      const words = type && !colon ? `${type} ${said}` : said;
      const row = this.list.children[Number(place) - 1];
      if (!row) {
        this._say(page.capital(message.replace(/^model: /, "")));
        return;
      }
      page.tellIn(row.querySelector(".layer-problem"), words);
      row.classList.add("bad");
      this._say(`Layer ${place}: ${words.split("\n")[0]}`);
      const text = row.querySelector("textarea");
      const named = [...row.querySelectorAll("[data-argument]")].find((input) =>
        words.includes(input.dataset.argument),
      );
      (text || named || row.querySelector("select")).focus();
      if (text) this._select(text, words.split("\n"));
      page.bringIntoView(row);
    }

    /** What stands over the carets of a message. */
    _select(text, lines) {
      const carets = lines.findIndex((line) => /^\s*\^+\s*$/.test(line));
      if (carets < 1) return;
      const indent = /^\s*/.exec(lines[carets - 1])[0].length;
      const at = text.value.indexOf(lines[carets - 1].trim());
      const start = at + lines[carets].indexOf("^") - indent;
      if (at >= 0) text.setSelectionRange(start, start + lines[carets].trim().length);
    }

    _say(words, input) {
      page.tellIn(this.problem, words);
      for (const marked of this.dialog.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
      if (input) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", "build-problem");
        input.focus();
      }
    }
  };
})();
