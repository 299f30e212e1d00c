"use strict";
/* The page: what is open, what is chosen, and who is told when something changes. */
(() => {
  const { page } = convgrad;
  const { h, byId } = page;

  class App {
    constructor() {
      this.network = new page.Network(this, byId("network"));
      this.panel = new page.Panel(this, byId("panel"));
      this.edit = new page.Edit(this);
      this.training = new page.Training(this, byId("training"));
      this.served = new page.Served(this, byId("source"));
      this.builder = new page.Builder(this, byId("builder"));
      this.checker = new page.Checker(this, byId("checker"));
      this.deriver = new page.Deriver(this, byId("derivation"));
      this._lenses();
      this.parts = page.parts.map((Part) => new Part(this));
    }

    /** Tells all parts what has happened: "opened", "looked", "explained" or "changed". */
    tell(what) {
      for (const part of this.parts) part[what]?.();
    }

    /** Another network. asked: what a network of one's own was made from. */
    open(model, { asked = null, trace = new convgrad.Trace(model) } = {}) {
      this.edit.cancel(); // it is of the network before
      this.trace = trace;
      this.asked = asked;
      this.layer = null;
      this.trace.onchange = () => this.changed();
      this.layers = new Map(model.layers.map((layer) => [layer.name, layer]));
      this.batched =
        this.trace.has("loss.mean") || (this.trace.has("loss.E") && this.trace.tensor("loss.E").shape.length > 0);
      this.trail = [];
      this.marks = null;
      this.network.open();
      this.training.open();
      this.served.open();
      this.checker.renew();
      byId("title").replaceChildren("convgrad", h("span", { class: "of" }, `: ${model.name}`));
      document.title = `convgrad: every number of a training step (${model.name})`;
      this.look("forward");
      this.panel.about();
      this.panel.derived = null;
      byId("network").scrollLeft = 0;
      this.tell("opened");
    }

    get chosen() {
      return this.trail.length ? this.trail[this.trail.length - 1] : null;
    }

    isChosen(name, flat) {
      return this.chosen && this.chosen.name === name && this.chosen.flat === flat;
    }

    /** Shows a whole trail; an empty one: nothing is chosen. */
    retrace(trail) {
      this.trail = trail;
      if (trail.length) {
        this._explained();
        return;
      }
      this.layer = null;
      this.light();
      this.panel.about();
      this.tell("explained");
    }

    /** Starts from an element: a new trail. */
    explain(name, flat) {
      if (this.isChosen(name, flat)) return;
      this.before = this.trail;
      this.trail = [{ name, flat }];
      this._explained();
      this.network.reveal(name, flat);
    }

    /** The first click of a double click was meant for changing a number: what was explained before it stays. */
    takeBack(name, flat) {
      if (!this.before || !this.before.length || this.trail.length !== 1 || !this.isChosen(name, flat)) return;
      this.trail = this.before;
      this.before = null;
      this._explained();
    }

    /** Goes on to an element that the chosen one was made from. */
    follow(name, flat, byKeyboard) {
      this.trail.push({ name, flat });
      if (!this.network.shows(name)) this.look(this.lensFor(null, { name, flat }));
      this._explained();
      this.network.reveal(name, flat);
      this.network.revealAll();
      if (byKeyboard) this.panel.focusSources();
    }

    back() {
      if (this.trail.length > 1) this.backTo(this.trail.length - 2);
      else if (this.trail.length === 1) {
        const { name, flat } = this.trail[0];
        const inside = byId("panel").contains(document.activeElement);
        if (inside) this.network.reveal(name, flat, true);
        else {
          this.retrace([]);
          page.say("Nothing is chosen.");
        }
      }
    }

    backTo(n) {
      const inside = byId("panel").contains(document.activeElement);
      this.trail = this.trail.slice(0, n + 1);
      const { name, flat } = this.chosen;
      if (!this.network.shows(name)) this.look(this.lensFor(null, this.chosen));
      this._explained();
      this.network.reveal(name, flat, !inside);
      this.network.revealAll();
      if (inside) this.panel.focusSources();
    }

    _explained() {
      this.layer = null;
      const { name, flat } = this.chosen;
      this.explanation = this.trace.explain(name, page.indexOf(this.trace.tensor(name).shape, flat));
      this.marks = page.marksOf(this.explanation, this.chosen, this.trace);
      this.light();
      this.panel.show(this.chosen, this.explanation, this.marks);
      this.panel.say(this.chosen, this.explanation);
      this.tell("explained");
    }

    /** The lens in which an element and what it was made from can be seen. */
    lensFor(explanation, chosen) {
      const names = [chosen.name, ...((explanation && explanation.madeFrom) || []).map((source) => source.tensor)];
      const current = this.network.lens;
      const sees = (lens) => names.every((name) => this.network.shows(name, lens));
      if (current && sees(current)) return current;
      return ["forward", "backward", "update"].find(sees) || this.trace.tensor(chosen.name).lens || "backward";
    }

    showLayer(name) {
      this.trail = [];
      this.layer = name;
      this.light();
      this.panel.layer(name);
      this.tell("explained");
    }

    look(lens) {
      byId(`lens-${lens}`).checked = true;
      const { says, remembers } = page.LENSES[lens];
      const remembering = this.trace.names.some((name) => {
        const { role, lens: own } = this.trace.tensor(name);
        return role === "state" && own === "update";
      });
      byId("lens-says").textContent = (remembering && remembers) || says;
      this.network.look(lens);
      if (this.chosen && this.explanation) this.panel.looked(this.chosen, this.explanation);
      this.tell("looked");
    }

    light() {
      this.network.light(this.trail.length ? this.marks : null);
    }

    /** Factors of a term that is pointed at stand out; null: none does. */
    point(factors) {
      for (const cell of document.querySelectorAll(".cell.pointed")) cell.classList.remove("pointed");
      for (const factor of factors || []) {
        if (!factor.tensor || !factor.index || factor.outside) continue;
        const cell = this.network.cellOf(
          factor.tensor,
          page.flatOf(this.trace.tensor(factor.tensor).shape, factor.index),
        );
        if (cell) cell.classList.add("pointed");
      }
    }

    /** Numbers have changed. */
    changed() {
      this.network.update();
      this.training.update();
      if (this.chosen) {
        const focused = document.activeElement && byId("panel").contains(document.activeElement);
        const { name, flat } = this.chosen;
        this.explanation = this.trace.explain(name, page.indexOf(this.trace.tensor(name).shape, flat));
        this.marks = page.marksOf(this.explanation, this.chosen, this.trace);
        this.panel.show(this.chosen, this.explanation, this.marks);
        if (focused) byId("explained").focus();
        this.light();
      }
      this.tell("changed");
    }

    _lenses() {
      for (const [lens, { title }] of Object.entries(page.LENSES)) {
        const radio = h("input", {
          type: "radio",
          name: "lens",
          id: `lens-${lens}`,
          value: lens,
          onchange: () => this.look(lens),
        });
        byId("lenses").append(radio, h("label", { for: `lens-${lens}` }, title));
      }
    }
  }

  const start = () => {
    const app = new App();
    app.open(page.ownModel());
    page.app = app;
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
