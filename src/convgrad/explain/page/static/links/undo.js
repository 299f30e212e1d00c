"use strict";
/* Changes of numbers taken back and done again: two buttons that say what they would do, and the keys. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const TYPED = "input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]";

  /** An action in words: "conv1.w[0,0] = 0.5", "10 steps". */
  page.actionWords = (trace, [method, ...given]) => {
    const [name, place, value] = given;
    const element = () => page.elementName(name, trace.tensor(name).shape, place);
    return {
      set: () => (name === trace.model.learning_rate ? `learning rate ${value}` : `${element()} = ${value}`),
      setAll: () => `new numbers for ${name}`,
      unpin: () => `${name} unpinned`,
      pin: () => (name ? "published numbers" : "computed numbers"),
      reset: () => "reset",
      step: () => (name === 1 ? "step" : `${name} steps`),
      together: () => {
        const more = given.length > 1 ? ` and ${given.length - 1} more` : "";
        return `${page.actionWords(trace, given[0])}${more}`;
      },
    }[method]();
  };

  page.Undo = class {
    constructor(app) {
      this.app = app;
      const button = (id, icon, act) =>
        h("button", { type: "button", id, "data-icon": icon, disabled: true, onclick: act });
      this.buttons = {
        undo: button("undo", "\u21b6", () => this.undo()),
        redo: button("redo", "\u21b7", () => this.redo()),
      };
      byId("tools").prepend(this.buttons.undo, this.buttons.redo);
      document.addEventListener("keydown", (event) => this._key(event));
    }

    opened() {
      this._update();
    }

    changed() {
      this._update();
    }

    undo() {
      this._say("Taken back", this.app.trace.history.undo());
    }

    redo() {
      this._say("Done again", this.app.trace.history.redo());
    }

    _say(words, action) {
      const { trace } = this.app;
      const loss = trace.loss === null ? "" : ` Loss ${page.plain(trace.loss)}.`;
      if (action) page.say(`${words}: ${page.actionWords(trace, action)}.${loss}`);
    }

    _update() {
      const { trace } = this.app;
      const words = { undo: ["Undo", "Ctrl+Z"], redo: ["Redo", "Ctrl+Shift+Z"] };
      const lost = Object.values(this.buttons).find((button) => button === document.activeElement);
      for (const [key, action] of Object.entries(trace.history.next)) {
        const [verb, keys] = words[key];
        const text = action ? `${verb}: ${page.actionWords(trace, action)}` : `Nothing to ${key}`;
        const button = this.buttons[key];
        button.disabled = !action;
        button.title = action ? `${text} (${keys})` : text;
        button.setAttribute("aria-label", text);
      }
      if (lost?.disabled)
        Object.values(this.buttons)
          .find((button) => !button.disabled)
          ?.focus();
    }

    _key(event) {
      const key = event.key.toLowerCase();
      if (!(event.ctrlKey || event.metaKey) || event.altKey || !["z", "y"].includes(key)) return;
      if (event.target.closest?.(TYPED) || document.querySelector("dialog:modal")) return;
      event.preventDefault();
      if (key === "y" || event.shiftKey) this.redo();
      else this.undo();
    }
  };
  page.parts.push(page.Undo);
})();
