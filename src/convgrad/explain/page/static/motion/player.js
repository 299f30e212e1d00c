"use strict";
/* Buttons, a slider and words for what plays. It stands at the top of the panel for the tensor that is chosen. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const SPEEDS = [0.25, 0.5, 1, 2, 4];

  page.Player = class {
    constructor(app, motion) {
      this.app = app;
      this.motion = motion;
      const button = (id, words, act, icon) =>
        h("button", { type: "button", id, class: "small", "aria-label": words, title: words, onclick: act }, icon);
      this.whole = h("button", { type: "button", id: "play-tensor", class: "small", onclick: () => this._play(null) });
      this.one = h("button", { type: "button", id: "play-number", class: "small", onclick: () => this._play("one") });
      this.back = button("step-back", "One step back", () => motion.step(-1), "\u2039");
      this.on = button("step-on", "One step on", () => motion.step(1), "\u203a");
      this.end = button("stop", "Stop, and show the page as before", () => this._stop(), "\u25a0");
      this.slider = h("input", {
        type: "range",
        id: "scrub",
        min: 0,
        max: 1,
        step: "any",
        "aria-label": "How far it has come",
        oninput: () => this._scrub(),
      });
      this.speed = h(
        "select",
        { id: "speed", "aria-label": "Speed", onchange: () => (motion.speed = Number(this.speed.value)) },
        SPEEDS.map((speed) => h("option", { value: speed, selected: speed === 1 }, `${speed}\u00d7`)),
      );
      this.says = h("p", { class: "player-says" });
      this.controls = h("div", { class: "player-controls" }, this.back, this.slider, this.on, this.speed, this.end);
      this.element = h(
        "section",
        { id: "player", class: "player", "aria-label": "Motion", hidden: true },
        h("div", { class: "player-starts" }, this.whole, this.one),
        this.controls,
        this.says,
      );
      this.element.addEventListener("keydown", (event) => this._key(event));
      page.byId("panel").querySelector(".handle").after(this.element);
    }

    /** What can be played: what is on, or what is chosen. */
    get subject() {
      const { score } = this.motion;
      if (score) return { name: score.name, flat: score.element ?? this.subjectOf(score.name) };
      return this.app.chosen;
    }

    subjectOf(name) {
      return this.app.chosen?.name === name ? this.app.chosen.flat : null;
    }

    _play(which) {
      const { motion } = this;
      const { name, flat } = this.subject;
      const element = which ? flat : null;
      if (!this._isOn(element)) {
        motion.play(name, { element });
        page.say(motion.playing ? `${this._title(name, element)} is played.` : `${this._title(name, element)}: the end is shown.`);
      } else if (motion.playing) {
        motion.pause();
        page.say("Paused.");
      } else motion.play();
    }

    _isOn(element) {
      const { score } = this.motion;
      return Boolean(score) && score.element === element;
    }

    _title(name, flat) {
      return flat === null ? name : page.elementName(name, this.app.trace.tensor(name).shape, flat);
    }

    _scrub() {
      const fraction = Number(this.slider.value);
      this.motion.pause();
      if (!this.motion.score) this.motion.take(this.subject.name);
      this.motion.scrub(fraction);
    }

    _stop() {
      const inside = this.element.contains(document.activeElement);
      this.motion.stop();
      if (inside && !this.element.hidden) this.whole.focus();
      page.say("Stopped.");
    }

    _key(event) {
      const { motion } = this;
      const { key, target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || target === this.speed) return;
      if (key === " " && target !== this.slider && target.matches("button")) return; // presses the button
      if (key === " ") {
        if (motion.playing) motion.pause();
        else if (motion.score) motion.play();
        else this._play(null);
      } else if (key === "ArrowRight" || key === "ArrowUp" || key === "ArrowLeft" || key === "ArrowDown") {
        if (!motion.score) motion.take(this.subject.name);
        motion.step(key === "ArrowRight" || key === "ArrowUp" ? 1 : -1);
      } else if (key === "Home" || key === "End") {
        motion.pause();
        motion.scrub(key === "Home" ? 0 : 1);
      } else if (key === "Escape" && motion.score) this._stop();
      else return;
      event.preventDefault();
      event.stopPropagation();
    }

    /** After anything has happened to what is played. "moved" comes with every frame: only what moves is written. */
    show(what) {
      const { motion } = this;
      const { subject } = this;
      const { trace } = this.app;
      const able = Boolean(subject) && page.isMade(trace, subject.name);
      if (this.element.hidden === able) this.element.hidden = !able;
      if (!able) return;
      const n = motion.score ? motion.at.n : null;
      if (what === "moved" && n === this.said) return; // a slider that moved with each frame would be laid out with each
      this.said = n;
      this.slider.value = motion.score ? motion.fraction : 0;
      const words = motion.score ? motion.score.says(n) : "";
      this.says.textContent = words;
      if (!motion.playing) this.slider.setAttribute("aria-valuetext", words || "not begun"); // else read at each step
      if (what !== "moved") this._buttons(subject);
    }

    _buttons({ name, flat }) {
      const { motion } = this;
      const label = (button, element) => {
        const on = this._isOn(element) && motion.playing;
        const title = this._title(name, element);
        const words = `${on ? "Pause" : "Play"} ${title}`;
        button.replaceChildren(...page.iconed(on ? "\u275a\u275a" : "\u25b6", element === null ? words : title));
        button.setAttribute("aria-label", words);
      };
      label(this.whole, null);
      const { shows, size } = this.app.trace.tensor(name);
      this.one.hidden = flat === null || shows !== null || size === 1; // of a single number it would be the same
      if (!this.one.hidden) label(this.one, flat);
      const begun = Boolean(motion.score);
      for (const button of [this.back, this.on, this.end]) button.disabled = !begun;
      this.element.classList.toggle("begun", begun);
    }
  };
})();
