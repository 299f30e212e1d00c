"use strict";
/* "Check my code": a function or class is pasted, and gets the verdict that `convgrad check` prints. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const ABOUT =
    "Paste a function or a class of NumPy: a backward pass, a forward pass, or both. It is run on small inputs and " +
    "compared with the gradient that is derived from the layer's equation.";
  const HINT = "def conv_backward(dx, o, w): ...";
  const EXAMPLE = `import numpy as np


def conv_backward(dout, x, w):
    """Gradients of a convolution: dx and dw. x: (batch, rows, columns, channels)."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    rows, columns = w.shape[:2]
    for i in range(dout.shape[1]):
        for j in range(dout.shape[2]):
            part = x[:, i : i + rows, j : j + columns]
            dw += np.einsum("nabc,nk->abck", part, dout[:, i, j])
            dx[:, i : i + rows, j : j + columns] += np.einsum("nk,abck->nabc", dout[:, i, j], w[::-1, ::-1])
    return dx, dw
`;

  /** The functions and classes at the top of a program. */
  page.functionsIn = (text) => [...new Set([...text.matchAll(/^(?:async +)?(?:def|class) +(\w+)/gm)].map(([, name]) => name))];

  /** The editor, which is loaded when it is needed first; null where it can't be had. */
  const loaded = () =>
    (page.editorLoaded =
      page.editorLoaded ||
      new Promise((resolve) => {
        const script = h("script", { src: "editor.js" });
        script.onload = () => resolve(globalThis.convgradEditor || null);
        script.onerror = () => {
          page.editorLoaded = null; // the next time it may be there
          resolve(null);
        };
        document.head.append(script);
      }));

  /** `strides=2 padding=1 kernel_size=3,2` as {strides: 2, ...}; {problem: words} where it is not written so. */
  page.readOptions = (text) => {
    const options = {};
    for (const pair of text.split(/[;\s]+/).filter(Boolean)) {
      const [, name, value] = /^([A-Za-z_]\w*)=(.+)$/.exec(pair) || [];
      if (!name) return { problem: `${pair} sets nothing. Write options as strides=2 padding=1.` };
      const parts = value.split(",").map((part) => {
        if (part === "true" || part === "false") return part === "true";
        return part !== "" && Number.isFinite(Number(part)) ? Number(part) : part;
      });
      options[name] = parts.length > 1 ? parts : parts[0];
    }
    return { options };
  };

  page.Coder = class {
    constructor(app) {
      this.app = app;
      app.coder = this;
      this.dialog = h("dialog", { id: "coder", class: "dialog wide", "aria-labelledby": "coder-title" });
      this.dialog.addEventListener("close", () => page.byId("code")?.focus());
      document.body.append(this.dialog);
      this.typed = "";
    }

    async open() {
      if (!this.made) this._make();
      this.dialog.showModal();
      await this._fill();
      this.editor.focus();
    }

    _make() {
      this.made = true;
      this.room = h("div", { class: "code-editor", id: "code-text" });
      this.layer = h("select", { id: "code-layer" });
      this.function = h("select", { id: "code-function" });
      this.options = h("input", {
        type: "text",
        id: "code-options",
        autocomplete: "off",
        spellcheck: "false",
        placeholder: "strides=2 padding=1",
      });
      this.options.addEventListener("keydown", (event) => event.key === "Enter" && this.check());
      this.verdict = h("div", { class: "verdict", id: "code-verdict", role: "status" });
      this.choice = h("label", { class: "field", for: "code-function", hidden: true }, h("span", {}, "Function"), this.function);
      const field = (id, words, input) => h("label", { class: "field", for: id }, h("span", {}, words), input);
      this.dialog.append(
        h(
          "div",
          { class: "dialog-head" },
          h("h2", { id: "coder-title" }, "Check my code"),
          h("button", { type: "button", class: "small", id: "close-code", onclick: () => this.dialog.close() }, "Close"),
        ),
        h("p", {}, ABOUT),
        this.room,
        h(
          "div",
          { class: "fields" },
          this.choice,
          field("code-layer", "Layer", this.layer),
          field("code-options", "Its arguments, if any", this.options),
        ),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "button", id: "code-now", class: "primary", onclick: () => this.check() }, "Check"),
          h("button", { type: "button", onclick: () => this._put("") }, "Clear"),
          h("button", { type: "button", id: "code-example", onclick: () => this._put(EXAMPLE) }, "Put in an example"),
        ),
        this.verdict,
      );
    }

    /** The editor and the list of layers, which come from elsewhere. */
    async _fill() {
      if (!this.editor || this.editor.plain) this.editor = await this._editor();
      if (this.layer.options.length > 1) return;
      this.layer.replaceChildren(h("option", { value: "" }, "As the function's name says"));
      try {
        const names = await page.ask("/api/checkable");
        this.layer.append(...names.map((name) => h("option", { value: name }, name)));
      } catch (error) {
        this._say(error.message);
      }
    }

    async _editor() {
      const made = await loaded();
      const changed = (text) => {
        this.typed = text;
        this._choices();
      };
      if (made)
        return made.make(this._emptied(), { text: this.typed, label: "The program", hint: HINT, changed });
      const area = h("textarea", {
        rows: 14,
        spellcheck: "false",
        "aria-label": "The program",
        placeholder: HINT,
        oninput: () => changed(area.value),
      });
      area.value = this.typed;
      this._emptied().append(area);
      return {
        plain: true,
        focus: () => area.focus(),
        get text() {
          return area.value;
        },
        set text(value) {
          changed((area.value = value));
        },
        select(n) {
          const lines = area.value.split("\n");
          const start = lines.slice(0, n - 1).reduce((sum, line) => sum + line.length + 1, 0);
          area.focus();
          area.setSelectionRange(start, start + (lines[n - 1] || "").length);
        },
      };
    }

    /** Where the program has several functions, the one that is checked can be said. */
    _choices() {
      const names = page.functionsIn(this.typed);
      const { value } = this.function;
      this.choice.hidden = names.length < 2;
      this.function.replaceChildren(
        h("option", { value: "" }, "The one that computes a gradient"),
        ...names.map((name) => h("option", { value: name }, name)),
      );
      this.function.value = names.length > 1 && names.includes(value) ? value : "";
    }

    _emptied() {
      const room = h("div", { class: "code-editor", id: "code-text" });
      this.room.replaceWith(room);
      this.room = room;
      return room;
    }

    /** Before the editor is there, it is made with the text. */
    _put(text) {
      this.typed = text;
      this._choices();
      if (this.editor) this.editor.text = text;
      this.verdict.replaceChildren();
      this.editor?.focus();
    }

    _say(words) {
      this.verdict.replaceChildren(page.problem(words));
    }

    async check() {
      const text = this.typed;
      if (!text.trim()) {
        this._say("Nothing is pasted yet.");
        return;
      }
      const { problem, options } = page.readOptions(this.options.value);
      if (problem) {
        this._say(problem);
        this.options.focus();
        return;
      }
      this.verdict.replaceChildren(h("p", {}, "Checking\u2026"));
      const asked = (this.asked = {});
      try {
        const report = await page.ask("/api/function", {
          text,
          function: this.function.value,
          layer: this.layer.value,
          options,
        });
        if (asked === this.asked) this._show(report);
      } catch (error) {
        if (asked === this.asked) this._say(error.message);
      }
    }

    /** The report as it is printed; a line of the program that it names can be clicked. */
    _show({ verdict, text }) {
      const kind = { RIGHT: "right", WRONG: "wrong" }[verdict] || "unclear";
      const parts = text.split(/(pasted\.py,\s+line\s+\d+)/).map((part) => {
        const [, line] = /^pasted\.py,\s+line\s+(\d+)$/.exec(part) || [];
        if (!line) return part;
        return h("button", { type: "button", class: "place", onclick: () => this.editor?.select(Number(line)) }, part);
      });
      this.verdict.replaceChildren(h("pre", { class: `report ${kind}`, tabindex: "0" }, parts));
      page.bringIntoView(this.verdict);
    }
  };
  page.parts.push(page.Coder);
})();
