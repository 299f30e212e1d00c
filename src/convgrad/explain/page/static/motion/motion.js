"use strict";
/* Playing: which score is shown, how far it has come, and the clock. `app.motion` is what others drive it with. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  /** So much of a step shows all of it; at 1 the next one begins. */
  const DONE = 0.999;

  /** Whether a tensor's numbers are made from others that the page has. */
  page.isMade = (trace, name) => {
    const { shows, definition } = trace.tensor(name);
    return shows !== null || (definition !== null && trace.missing(name) === null);
  };

  page.Motion = class {
    constructor(app) {
      this.app = app;
      app.motion = this;
      this.stage = new page.Stage(app);
      this.speed = 1;
      this.score = null;
      this.fraction = 0;
      this.playing = false;
      this.player = new page.Player(app, this);
      this.preview = new page.Preview(app, this);
      this._listen();
    }

    /** Shows how a tensor is computed, element by element; with `element`, a place such as 3 or [0, 1], how that one number
     * adds up. "conv1.dw[0,1]" says both. Without a name it goes on. Returns a promise that is kept at the end, or when
     * it is stopped. Where no motion is wanted, the end is shown at once. */
    play(name = null, { element = null } = {}) {
      if (name !== null) this.take(name, { element });
      if (!this.score) return Promise.resolve();
      if (this.fraction >= 1) this.fraction = 0;
      if (!this.stage.moving) {
        this.scrub(1);
        this._settle();
        return Promise.resolve();
      }
      this.ended = this.ended || new Promise((resolve) => (this.settled = resolve));
      this.playing = true;
      this._run();
      this.player.show("played");
      return this.ended;
    }

    pause() {
      if (!this.playing) return;
      this.playing = false;
      cancelAnimationFrame(this.frame);
      this.player.show("paused");
    }

    /** The page is as it was before. */
    stop() {
      if (!this.score) return;
      const { lens, folded, scrolled, brought } = this.before;
      const { network, panel } = this.app;
      if (this.sheet && !folded) panel.fold(false);
      const stayed = String(this._scrolled()) === String(brought);
      const back = lens !== network.lens && this.changes === network.lens;
      this._drop();
      if (back) this._look(lens);
      if (stayed) this._scrollTo(scrolled); // else somebody has gone to where they want to be
    }

    _scrolled() {
      const { section } = this.app.network;
      return [section.scrollLeft, section.scrollTop, scrollX, scrollY];
    }

    _scrollTo([left, top, across, down]) {
      this.app.network.section.scrollTo({ left, top, behavior: "instant" });
      scrollTo({ left: across, top: down, behavior: "instant" });
    }

    /** Ends without going back to the lens before: somebody has chosen what to see. */
    _drop() {
      this.preview.clear();
      if (!this.score) return;
      this.playing = false;
      cancelAnimationFrame(this.frame);
      this.score = null;
      this.stage.clear();
      this._quiet(false);
      for (const [name, plane] of this.before.planes) this.app.network.views.get(name)?.turn(plane);
      this._settle();
      this.player.show("stopped");
    }

    /** How far it has come: 0 is the beginning, 1 the end. What was not playing stays so. */
    scrub(fraction) {
      if (!this.score && this.app.chosen) this.take(this.app.chosen.name);
      if (!this.score) return;
      this.fraction = Math.max(0, Math.min(1, fraction));
      this._draw();
      this.player.show("scrubbed");
    }

    /** On by one step, or back: to where it is done. */
    step(by) {
      if (!this.score) return;
      this.pause();
      const { n, t } = this.at;
      const done = t > DONE - 1e-6 || !this.stage.moving;
      const next = by > 0 && !done ? n : n + by;
      this.scrub(next < 0 ? 0 : (next + DONE) / this.score.length);
    }

    /** The step that is shown, and how much of it is done. */
    get at() {
      const place = this.fraction * this.score.length;
      const n = Math.min(this.score.length - 1, Math.floor(place + 1e-9));
      return { n, t: Math.min(1, place - n) };
    }

    /** What to play next, at its beginning. */
    take(name, { element = null } = {}) {
      this.stop();
      const { app } = this;
      const [tensor, place] = this._place(name, element);
      if (!page.isMade(app.trace, tensor)) return;
      const score =
        place === null ? new page.Score(app.trace, tensor, app.batched) : new page.SumScore(app.trace, tensor, place);
      const madeFrom = [...score.step(0).window.keys()].map((read) => ({ tensor: read }));
      const lens = app.lensFor({ madeFrom }, { name: tensor });
      const folded = page.byId("panel").classList.contains("folded");
      this.before = { lens: app.network.lens, planes: new Map(), folded, scrolled: this._scrolled() };
      if (lens !== app.network.lens) this._look(lens);
      this.score = score;
      this.fraction = 0;
      this.preview.clear();
      this._quiet(true);
      this.player.show("taken");
      if (this.sheet && !folded) app.panel.fold(true);
      this.stage.forget();
      this._bring();
      this.before.brought = this._scrolled();
    }

    /** [tensor, place or null] of a name and an element in any form. */
    _place(name, element) {
      const [, tensor, index] = /^([^[]+)(?:\[([^\]]*)\])?$/.exec(name) || [null, name];
      const given = index ? index.split(",").map(Number) : element;
      if (given === null) return [tensor, null];
      return [tensor, Array.isArray(given) ? page.flatOf(this.app.trace.tensor(tensor).shape, given) : given];
    }

    /** Another lens, and not as if somebody had chosen it. */
    _look(lens) {
      this.looking = true;
      this.app.look(lens);
      this.looking = false;
      this.changes = lens;
    }

    /** What the chosen number lights is not shown meanwhile. */
    _quiet(on) {
      const { network } = this.app;
      network.flow.classList.toggle("playing", on);
      for (const [name, view] of network.views)
        if (view.marks && view.layout.image && network.drawn(name)) view.parts[0].draw();
    }

    /** The tensor and what it is made from come into view, with their layers; where that is too much, the tensor. */
    _bring() {
      const { network } = this.app;
      const { section } = network;
      const names = [this.score.name, ...this.score.step(0).window.keys()].filter((name) => network.shows(name));
      for (const name of names.slice().reverse()) this._fill(name);
      if (!names.length) return;
      const boxes = names.map((name) => network.view(name).element.getBoundingClientRect());
      const layers = names.map((name) => network.blocks.get(network.blockOf.get(name)).element.getBoundingClientRect());
      const room = this._room();
      const shift = (low, high, wanted) => {
        const spans = wanted.map((all) => [Math.min(...all.map((box) => box[low])), Math.max(...all.map((b) => b[high]))]);
        const [from, to] = spans.find(([from, to]) => to - from <= room[high] - room[low]) ?? spans.at(-1);
        return Math.max(0, to - room[high]) || Math.min(0, from - room[low]);
      };
      const [tensor, layer] = [boxes.slice(0, 1), layers.slice(0, 1)];
      const down = shift("top", "bottom", [boxes, tensor]);
      const left = shift("left", "right", [layers, boxes, layer, tensor]);
      section.scrollBy({ left, top: down, behavior: "instant" });
      if (section.scrollHeight <= section.clientHeight) scrollBy({ top: down, behavior: "instant" });
    }

    /** Of a large network only what is seen is drawn. */
    _fill(name) {
      const { network } = this.app;
      if (network.drawn(name)) return;
      page.bringIntoView(network.blocks.get(network.blockOf.get(name)).element);
      network.fill();
    }

    /** What of the network can be seen, with a margin: on a narrow page a sheet covers the lower part, the panel or the tour. */
    _room() {
      const { left, right, top, bottom } = this.app.network.section.getBoundingClientRect();
      const sheets = ["panel", "tour"].map(page.byId).filter((element) => this.sheet && element?.offsetHeight);
      const sheet = Math.min(innerHeight, ...sheets.map((element) => element.getBoundingClientRect().top));
      const scrolls = this.sheet ? 0 : Math.max(0, top);
      const beside = this.sheet ? 8 : 20;
      return {
        left: left + beside,
        right: right - beside,
        top: scrolls + 20,
        bottom: Math.min(sheet, Math.max(bottom, 80)) - 20,
      };
    }

    /** Whether the panel lies over the network. */
    get sheet() {
      return getComputedStyle(page.byId("panel")).position === "fixed";
    }

    /** Planes that a step is in come to the front. */
    _turn({ lit, written }) {
      const { network } = this.app;
      const turn = (name, flats) => {
        const view = network.drawn(name) ? network.views.get(name) : null;
        if (!view?.select) return;
        const planes = new Set(flats.map((flat) => view.layout.place(flat).plane));
        if (planes.has(view.shown)) return;
        if (!this.before.planes.has(name)) this.before.planes.set(name, view.shown);
        view.turn(Math.min(...planes));
        this.stage.places.forget();
      };
      turn(this.score.name, written);
      for (const [name, own] of lit) turn(name, [...own.keys()]);
    }

    _draw() {
      const { n, t } = this.at;
      this._turn(this.score.step(n));
      this.stage.draw(this.score, n, t);
    }

    _run() {
      let last = null;
      const tick = (now) => {
        if (!this.playing) return;
        if (last !== null) this.fraction += ((now - last) / 1000 / this.score.seconds) * this.speed;
        last = now;
        if (this.fraction >= 1) {
          this.fraction = 1;
          this.playing = false;
        }
        this._draw();
        this.player.show("moved");
        if (this.playing) this.frame = requestAnimationFrame(tick);
        else {
          this._settle();
          this.player.show("ended");
        }
      };
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(tick);
    }

    _settle() {
      this.settled?.();
      this.ended = this.settled = null;
    }

    _listen() {
      const { network } = this.app;
      const moved = (measured) => {
        if (measured) this.stage.forget();
        this.stage.again();
      };
      network.section.addEventListener("pointerdown", () => {
        if (this.score && this.fraction >= 1) this.stop();
        else this.pause();
      });
      network.section.addEventListener("keydown", () => this.pause());
      const scrolled = ({ target }) => moved(target !== document && target !== network.section);
      document.addEventListener("scroll", scrolled, { capture: true, passive: true });
      addEventListener("resize", () => moved(true));
      new ResizeObserver(() => moved(true)).observe(network.flow);
    }

    /** Told by the page: what was shown is there no longer, or somebody looks at something else. */
    opened() {
      this._drop();
      this.player.show("opened");
    }

    looked() {
      this.stage.forget();
      if (!this.looking) this._drop();
    }

    explained() {
      this._drop();
      this.player.show("explained");
    }

    changed() {
      this._drop();
      this.player.show("changed");
    }
  };
  page.parts.push(page.Motion);
})();
