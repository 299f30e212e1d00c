"use strict";
/* What belongs to the page as a whole: dark or light, large type, the keys. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;

  page.Tools = class {
    constructor(app) {
      const toggle = (id, icon, words, act) => {
        const button = h("button", {
          type: "button",
          id,
          title: words,
          "aria-label": words,
          "data-icon": icon,
          onclick: () => act(button),
        });
        return button;
      };
      const theme = toggle("theme", "\u25d0", "Dark or light", () => {
        document.documentElement.dataset.theme = page.theme() === "dark" ? "light" : "dark";
        app.network.repaint();
      });
      const large = toggle("large", "A\u2009A", "Large type, for a projector", (button) => {
        const on = document.documentElement.classList.toggle("large");
        button.setAttribute("aria-pressed", String(on));
        app.network.drawLines();
      });
      large.setAttribute("aria-pressed", "false");
      const help = toggle("keys", "?", "Keys and marks", () => byId("help").showModal());
      byId("tools").replaceChildren(theme, large, help);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.network.repaint());
      byId("panel").addEventListener("keydown", (event) => {
        if (
          (event.key === "Escape" || event.key === "Backspace") &&
          !event.target.closest("input, select, textarea") &&
          app.chosen
        ) {
          app.back();
          event.preventDefault();
        }
      });
      this._help();
    }

    _help() {
      const keys = [
        ["Arrow keys", "move within a grid; in an image they move the window of numbers"],
        ["Arrow keys in the tour", "go to the next stop, or to the one before; Escape leaves the tour"],
        ["Tab", "goes to the next grid"],
        ["Enter", "explains a number; once more, it goes to the numbers that it was made from"],
        ["Backspace, Escape", "go back"],
        ["F2, a digit, double click", "change a number; Tab goes on to the next one"],
        ["Page up, page down", "another plane of the same tensor"],
        ["Ctrl+Z, Ctrl+Shift+Z", "take a change back, make it again"],
        ["Space, arrow keys, Escape", "in the player: play or pause, one step on or back, stop"],
      ];
      const marks = [
        ["chosen", "the number that is explained"],
        ["a", "first factor of a term"],
        ["b", "second factor; a term's two factors have the same small number"],
        ["c", "a further factor, or read otherwise: candidates of a maximum, conditions"],
        ["z", "in a term that is 0"],
      ];
      byId("help").replaceChildren(
        h("h2", { id: "help-title" }, "Keys and marks"),
        h(
          "dl",
          { class: "keys" },
          keys.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)]),
        ),
        h(
          "ul",
          { class: "legend" },
          marks.map(([kind, what]) =>
            h("li", {}, h("span", { class: "cell", "data-mark": kind, "aria-hidden": "true" }, "0.5"), what),
          ),
        ),
        h("form", { method: "dialog" }, h("button", {}, "Close")),
      );
    }
  };
  page.parts.push(page.Tools);
})();
