"use strict";
/* Numbers that stand in place of what their equations say: those that came with the network are a switch; what it does is
 * said beside it. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const OWN = "The pinned numbers of this network";
  const PUBLISHED = "The published, rounded numbers";

  /** "a, b and c". */
  page.listed = (names) =>
    names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}` : names.join("");

  /** What is said of pinned tensors that would follow a change; nothing where there are none. */
  page.heldBack = (names) => {
    if (!names.length) return "";
    return `${page.listed(names)} ${names.length === 1 ? "is pinned and does" : "are pinned and do"} not follow.`;
  };

  page.Pins = class {
    constructor(app) {
      this.app = app;
      app.pins = this;
      const turn = () => this.turn(this.toggle.checked);
      this.toggle = h("input", { type: "checkbox", role: "switch", id: "published", onchange: turn });
      this.label = h("span", {});
      this.told = h("span", { class: "pins-told", id: "pins-told" });
      this.toggle.setAttribute("aria-describedby", "pins-told");
      const unpin = { type: "button", id: "unpin-all", class: "small", onclick: () => this.unpinAll() };
      this.unpin = h("button", unpin, "Unpin all");
      this.switch = h("label", { for: "published", class: "switch" }, this.toggle, this.label);
      byId("pins").replaceChildren(this.switch, this.told, this.unpin);
    }

    opened() {
      this.before = null;
      this.changed();
    }

    /** What is pinned, and what this means for all other numbers. */
    get words() {
      const { pins, published } = this.app.trace;
      if (this.turnedOff) return "The step turned the pinned numbers off: they belonged to the weights before it.";
      if (!pins.length) return "";
      const all = published.length && pins.length === published.length && this.app.trace.showsPublished;
      return page.heldBack(pins) + (all ? " A step turns them off." : " So the loss may not fall.");
    }

    /** After any change. */
    changed() {
      const { trace } = this.app;
      const { pins, published } = trace;
      const before = this.before;
      this.before = { steps: trace.steps, on: published.some((name) => pins.includes(name)) };
      this.turnedOff = Boolean(before && before.on && !this.before.on && trace.steps > before.steps);
      this.switch.hidden = !published.length;
      this.label.textContent = trace.model.starts_unpinned ? PUBLISHED : OWN;
      this.toggle.checked = trace.showsPublished;
      this.told.textContent = this.words;
      this.told.classList.toggle("on", pins.length > 0);
      this.unpin.hidden = !pins.length || trace.showsPublished;
    }

    /** The numbers that came with the network: on or off. */
    turn(on) {
      this.app.trace.pin(on);
      page.say(on ? this.words : "Every number is computed from its equation now.");
    }

    unpinAll() {
      const { trace } = this.app;
      trace.together(() => trace.pins.filter((name) => trace.missing(name) === null).forEach((name) => trace.unpin(name)));
      page.say("Every number is computed from its equation now.");
      byId("step").focus();
    }
  };
  page.parts.push(page.Pins);
})();
