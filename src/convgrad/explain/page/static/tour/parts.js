"use strict";
/* What a person does at a stop: steps, the switch for published numbers, an answer of one's own. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const FEWEST = 0.05;

  const button = (words, act, primary) =>
    h("button", { type: "button", class: primary ? "primary" : null, onclick: act }, words);

  const Steps = class {
    constructor(app) {
      this.element = h(
        "div",
        { class: "tour-do" },
        button("Step", () => app.training.step(1), true),
        button("10 steps", () => app.training.step(10)),
        button("Reset", () => app.training.reset()),
      );
    }
  };

  const Switch = class {
    constructor(app) {
      this.app = app;
      this.toggle = h("input", {
        type: "checkbox",
        role: "switch",
        id: "tour-published",
        onchange: () => app.pins.turn(this.toggle.checked),
      });
      const words = h("span", {}, "The published, rounded numbers");
      this.element = h("div", { class: "tour-do" }, h("label", { class: "switch" }, this.toggle, words));
    }

    update() {
      this.toggle.checked = this.app.trace.showsPublished;
    }
  };

  /** What to say of a number that somebody has worked out, as {mark, words}. see: the numbers that are right. */
  page.verdictOn = (text, see, element) => {
    const { value, problem } = page.readNumber(text);
    if (problem) return { mark: "problem", words: problem };
    const right = see.value(element);
    const [, decimals] = /^[^e/]*?(?:[.,](\d*))?$/i.exec(text.trim()) || [null, null];
    const plain = !/[e/]/i.test(text);
    const half = plain ? 0.5 * 10 ** -(decimals || "").length : 0;
    const rounding = 1e-9 * Math.max(Math.abs(right), Math.abs(value));
    const off = Math.abs(value - right);
    if (off > half + rounding) return { mark: "wrong", words: `No: it is off by ${page.plain(off)}.` };
    if (half > FEWEST * Math.abs(right) && off > rounding)
      return { mark: "problem", words: "That can't be told yet. Write two digits that count, at least." };
    const to = plain && off > rounding ? `, to the ${decimals.length} decimals that you wrote` : "";
    return { mark: "right", words: `Right${to}: {${element}} = {=${element}}.` };
  };

  const ELEMENT = "conv1.dw[1,1]";

  const Answer = class {
    constructor(app) {
      this.app = app;
      this.input = h("input", {
        type: "text",
        id: "tour-answer",
        inputmode: "decimal",
        autocomplete: "off",
        spellcheck: "false",
        size: 9,
      });
      this.verdict = h("div", { class: "tour-verdict", role: "status" });
      const check = button("Check", () => this.check(), true);
      this.input.addEventListener("keydown", (event) => event.key === "Enter" && this.check());
      this.input.addEventListener("input", () => this.say(null));
      this.more = h("div", { class: "tour-more" });
      this.element = h(
        "div",
        { class: "tour-do" },
        h("label", { for: "tour-answer" }, h("span", { class: "element" }, ELEMENT), " = ", this.input),
        check,
        this.verdict,
        this.more,
      );
    }

    update() {
      this.say(null);
      const all = this.app.served.served
        ? [button("Check my numbers\u2026", () => this.app.checker.open())]
        : [
            h("code", {}, "convgrad explain --serve"),
            " opens this page with a form for all numbers of a calculation, which tells where the first mistake is and what " +
              "it is; ",
            h("code", {}, "convgrad check"),
            " does the same for code.",
          ];
      this.more.replaceChildren(h("p", {}, ...all));
    }

    check() {
      const see = new page.See(this.app.tour.traceOf(this.app.tour.stop));
      let found = page.verdictOn(this.input.value, see, ELEMENT);
      const published = see.published(true);
      if (found.mark === "wrong" && page.verdictOn(this.input.value, published, ELEMENT).mark === "right") {
        const words =
          `Right with the published, rounded numbers: ${published.written(ELEMENT)}. Without rounding in between it is ` +
          `{=${ELEMENT}}.`;
        found = { mark: "right", words };
      }
      this.say(found, see);
    }

    say(found, see) {
      this.verdict.className = `tour-verdict ${found ? found.mark : ""}`;
      this.verdict.replaceChildren(...(found ? page.sentences(this.app, see, [found.words]) : []));
      this.input.toggleAttribute("aria-invalid", Boolean(found) && found.mark === "problem");
    }
  };

  page.TourParts = { Steps, Switch, Answer };
})();
