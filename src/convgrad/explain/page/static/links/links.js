"use strict";
/* What the page shows as a state, in the address and from it: a link for every thought. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const ELEMENT = /^([\w.']+)(?:\[\d+(?:,\d+)*\])?$/;
  const SLICE = 30;
  const APART = 150;

  page.Links = class {
    constructor(app) {
      this.app = app;
      app.links = this;
      this.turn = 0;
      this.showing = 0;
      this.problem = h("div", { id: "link-problem", class: "link-problem", role: "alert", hidden: true });
      byId("source").closest(".says-bar").after(this.problem);
      addEventListener("popstate", () => (this.ready = this._fromAddress()));
      new MutationObserver(() => this._moved()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    }

    opened() {
      this.steps = this.app.trace.losses.length;
      if (this.first) {
        this._moved(true);
        return;
      }
      this.first = this.app.trace.model;
      this.ready = this._fromAddress(true);
    }

    looked() {
      this._moved(true);
    }

    explained() {
      this._moved(true);
    }

    changed() {
      const steps = this.app.trace.losses.length;
      const { redo } = this.app.trace.history.next;
      this._moved(steps === this.steps && redo === null);
      this.steps = steps;
    }

    /** What the page shows: {example or network, lens, at, layer, log, theme}, and what other parts remember. */
    state() {
      const { app } = this;
      const log = page.shortened(app.trace.history.log, app.trace);
      const state = app.asked ? { network: app.asked } : { example: app.trace.model.name };
      state.lens = app.network.lens;
      if (app.trail.length)
        state.at = app.trail.map(({ name, flat }) => page.elementName(name, app.trace.tensor(name).shape, flat));
      else if (app.layer) state.layer = app.layer;
      if (log.length) state.log = log;
      const { theme } = document.documentElement.dataset;
      if (theme) state.theme = theme;
      for (const part of app.parts) Object.assign(state, part.remember?.());
      return state;
    }

    /** Shows a state; what it leaves out is as in the beginning, but for the network, which stays. Raises an Error with a
     * sentence where it can't be shown: then the page stays as it was. Returns whether it is shown: not where another
     * one was asked for in the meantime. */
    async show(state) {
      const turn = ++this.turn;
      page.checkedState(state, this._others());
      for (const part of this.app.parts) part.checks?.(state);
      document.body.classList.add("waiting");
      this.showing += 1;
      try {
        const model = await this._model(state);
        if (turn !== this.turn) return false;
        const trace = model === this.app.trace.model ? this.app.trace : new convgrad.Trace(model);
        const trail = (state.at || []).map((element) => elementOf(trace, element));
        if (state.layer && !model.layers.some(({ name }) => name === state.layer))
          throw new Error(`This link can't be shown: ${model.name} has no layer \`${state.layer}\`.`);
        if (!(await trace.history.goTo(state.log || [], this._pause(turn)))) return false;
        if (trace !== this.app.trace) this.app.open(model, { asked: state.network, trace });
        this._show(state, trail);
        return true;
      } finally {
        this.showing -= 1;
        if (!this.showing) document.body.classList.remove("waiting");
        if (!this.showing) this._moved();
      }
    }

    /** Once the address says what the page shows. */
    async settled() {
      await this.ready;
      while (this.writing) await this.writing;
    }

    _show(state, trail) {
      const { app } = this;
      const root = document.documentElement;
      if (state.theme !== root.dataset.theme) {
        if (state.theme) root.dataset.theme = state.theme;
        else delete root.dataset.theme;
        app.network.repaint();
      }
      app.retrace(trail);
      const seen = app.chosen && app.lensFor(app.explanation, app.chosen);
      const lens = state.lens || seen || "forward";
      if (lens !== app.network.lens) app.look(lens);
      if (app.chosen) app.network.reveal(app.chosen.name, app.chosen.flat);
      if (app.chosen) app.network.revealAll();
      if (state.layer) app.showLayer(state.layer);
      for (const part of app.parts) part.recall?.(state);
    }

    _others() {
      return this.app.parts.flatMap((part) => part.remembers ?? []);
    }

    async _model({ example, network }) {
      const { app } = this;
      const open = app.trace.model;
      if (network)
        return JSON.stringify(network) === JSON.stringify(app.asked) ? open : page.ask("/api/model", network);
      if (example === undefined || (example === open.name && !app.asked)) return open;
      if (example === this.first.name) return this.first;
      const shipped = page.shippedModels().get(example);
      if (shipped) return shipped;
      if (!app.served.served) throw new Error(`This link can't be shown: \u201c${example}\u201d is not in this file.`);
      return page.ask(`/api/example?name=${encodeURIComponent(example)}`);
    }

    /** Long work lets the page breathe, and ends when something else is to be shown. */
    _pause(turn) {
      let since = performance.now();
      return async () => {
        if (performance.now() - since > SLICE) {
          await new Promise((done) => setTimeout(done));
          since = performance.now();
        }
        return turn === this.turn;
      };
    }

    /** Shows what the address says; one without a state, what the page began with. */
    async _fromAddress(opening = false) {
      this.pushes = false;
      const { hash } = location;
      const isAnchor = hash.length > 1 && !hash.includes("=");
      try {
        if (opening) await null; // until all parts know that the network is open
        if (opening) this.begin = this.state();
        this.written = this.written ?? (await page.hashOf(this.begin));
        const said = isAnchor ? null : await page.stateOf(hash, this._others());
        if (isAnchor || (opening && !said)) return;
        const state = said ?? this.begin;
        if (hash !== location.hash) return;
        this.said(null);
        if (await this.show(state)) this.written = await page.hashOf(state);
      } catch (error) {
        const { message } = error;
        this.said(message.startsWith("This link") ? message : `This link can't be shown: ${message}`);
      }
    }

    said(words) {
      this.problem.hidden = !words;
      const close = h("button", { type: "button", class: "small", onclick: () => this.said(null) }, "Close");
      this.problem.replaceChildren(...(words ? [h("span", {}, words), close] : []));
    }

    /** The address follows; what a person chooses is a step of its own for back and forward. */
    _moved(pushes = false) {
      if (this.showing || !this.first) return;
      this.turn += 1;
      this.pushes = this.pushes || pushes;
      this.wanted = true;
      this.writing = this.writing || this._write().finally(() => (this.writing = null));
    }

    /** A page may have no address that can be changed: one that is written into another page, say. */
    _put(hash) {
      try {
        history[this.pushes && !page.embedded ? "pushState" : "replaceState"](null, "", hash);
      } catch {
        // then it has no link
      }
    }

    async _write() {
      await this.ready;
      while (this.wanted) {
        const rest = APART - (performance.now() - (this.wrote || -APART));
        if (rest > 0) await new Promise((done) => setTimeout(done, rest));
        this.wanted = false;
        const { turn } = this;
        const state = this.state();
        let hash = await page.hashOf(state);
        this.tooLong = hash.length > page.LONGEST_LINK ? hash.length : 0;
        if (this.tooLong) hash = await page.hashOf({ ...state, log: undefined });
        if (turn !== this.turn || this.showing) continue;
        if (hash !== this.written) {
          this._put(hash);
          this.written = hash;
          this.wrote = performance.now();
        }
        this.pushes = false;
      }
    }
  };

  /** {name, flat} of "conv1.dw[0,0]", which may be anything. */
  const elementOf = (trace, element) => {
    const [, name] = ELEMENT.exec(element) || [];
    const { index, flat } = name && trace.has(name) ? page.elementOf(trace, element) : {};
    const shape = index && trace.tensor(name).shape;
    if (!shape || index.length !== shape.length || index.some((i, axis) => i >= shape[axis]))
      throw new Error(`This link can't be shown: ${trace.model.name} has no number \u201c${element}\u201d.`);
    return { name, flat };
  };

  page.parts.push(page.Links);
})();
