"use strict";
/* A guided tour: captions in a column, moved by scrolling, keys and clicks; each changes the live network beside it. What a
 * person does to the network meanwhile stays; the tour can be left, and come back to at the same stop. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const { STOPS } = page;
  const SETTLED = 140;
  const MOVING = 1000; // after the last turn of a wheel, with what the browser makes of it smoothly
  const NEXT = ["ArrowRight", "ArrowDown", "PageDown"];
  const BEFORE = ["ArrowLeft", "ArrowUp", "PageUp"];

  page.Tour = class {
    constructor(app) {
      this.app = app;
      app.tour = this;
      this.remembers = ["stop"];
      this.n = 0;
      this.target = null;
      this.models = page.shippedModels();
      this.possible = STOPS.every(({ example }) => this.models.has(example));
      if (!this.possible) return;
      this.traces = new Map(); // example -> its trace with what was changed in it
      this._build();
    }

    get stop() {
      return STOPS[this.n];
    }

    get open() {
      return document.body.classList.contains("touring");
    }

    _build() {
      const button = (id, words, act, title) => h("button", { type: "button", id, onclick: act, "aria-label": title }, words);
      this.cards = STOPS.map((stop, n) => this._card(stop, n));
      this.list = h("ol", { class: "tour-stops" }, this.cards.map(({ element }) => element));
      this.dots = STOPS.map(({ title }, n) =>
        h("button", { type: "button", "aria-label": `Stop ${n + 1}: ${title}`, title, onclick: () => this.go(n) }),
      );
      this.before = button("tour-before", "\u2190 Back", () => this.go(this.n - 1));
      this.next = button("tour-next", "Next \u2192", () => (this.n < STOPS.length - 1 ? this.go(this.n + 1) : this.leave()));
      this.next.classList.add("primary");
      this.place = h("span", { class: "tour-place" });
      this.element = h(
        "section",
        { id: "tour", class: "tour", "aria-labelledby": "tour-title" },
        h(
          "header",
          { class: "tour-head" },
          h("h2", { id: "tour-title" }, "How a network learns", h("span", {}, ", number by number")),
          button("tour-leave", "\u2715", () => this.leave(), "Leave the tour"),
          h("p", {}, "A tour of one training step. Scroll here or press Next; touch any number at any time."),
          h("div", { class: "tour-dots", role: "group", "aria-label": "Stops" }, this.dots),
        ),
        this.list,
        h("footer", { class: "tour-foot" }, this.before, this.place, this.next),
      );
      byId("network").closest("main").prepend(this.element);
      this.enter = button("tour-open", "Tour", () => this.enterAt(this.n));
      byId("tools").prepend(this.enter);
      this.element.addEventListener("keydown", (event) => this._key(event));
      this.list.addEventListener("scroll", () => this._scrolled(), { passive: true });
      for (const kind of ["wheel", "touchmove"])
        this.list.addEventListener(kind, () => (this.moved = performance.now()), { passive: true });
      new ResizeObserver(() => this._resized()).observe(this.list);
    }

    _card(stop, n) {
      const heading = h("h3", { tabindex: "-1" }, stop.title);
      const words = h("div", { class: "tour-words" });
      const parts = (stop.parts || []).map((name) => new page.TourParts[name](this.app));
      const again = h("button", { type: "button", class: "small tour-again unseen", onclick: () => this.show() });
      const element = h(
        "li",
        { class: "tour-stop", "data-stop": stop.name },
        h("p", { class: "tour-number-of", "aria-hidden": "true" }, String(n + 1)),
        heading,
        words,
        parts.map((part) => part.element),
        stop.hint ? h("p", { class: "hint tour-hint" }, stop.hint) : null,
        again,
      );
      element.addEventListener("click", () => n !== this.n && this.go(n));
      return { element, heading, words, parts, again, stale: true };
    }

    /** Whether a trace is the one that the page shows. */
    isOpen(trace) {
      return this.app.trace === trace;
    }

    /** The trace that a stop is about: the one on the page, or its own. */
    traceOf({ example }) {
      const model = this.models.get(example);
      if (this.app.trace && this.app.trace.model === model) return this.app.trace;
      if (!this.traces.has(example)) this.traces.set(example, new convgrad.Trace(model));
      return this.traces.get(example);
    }

    /** An element that a caption names is pressed. */
    touch(name, flat) {
      const { app } = this;
      if (!this.isOpen(this.traceOf(this.stop))) this._open(this.stop);
      if (!app.network.shows(name)) app.look(app.lensFor(null, { name, flat }));
      app.explain(name, flat);
      app.network.revealAll();
    }

    // What the page tells

    /** A network is opened: the first one decides whether the page begins with the tour. */
    opened() {
      if (!this.possible) return;
      const { trace } = this.app;
      const example = [...this.models.keys()].find((name) => this.models.get(name) === trace.model);
      if (example) this.traces.set(example, trace);
      const first = !this.begun;
      this.begun = true;
      this.cards.forEach((card) => (card.stale = true));
      if (first && example === STOPS[0].example && !location.hash.includes("=") && !page.embedded) this.enterAt(0);
      else if (!example) this.leave(); // a person turns to a network that the tour does not speak of
      else this._write();
    }

    looked() {
      this._away();
    }

    /** A person has chosen a number: its explanation comes up below the caption. */
    explained() {
      if (this.open && !this.showing && this.app.chosen) this.app.panel.fold(false);
      this._away();
    }

    changed() {
      if (!this.possible) return;
      const { trace } = this.app;
      this.cards.forEach((card, n) => (card.stale = card.stale || this.traceOf(STOPS[n]) === trace));
      this._write();
    }

    remember() {
      return this.possible && this.open ? { stop: this.stop.name } : {};
    }

    /** Raises an Error where a link names a stop that is none. */
    checks({ stop }) {
      if (this.possible && stop !== undefined && !STOPS.some(({ name }) => name === stop))
        throw new Error(`This link can't be shown: the tour has no stop \u201c${page.cut(stop)}\u201d.`);
    }

    recall(state) {
      if (!this.possible) return;
      const n = STOPS.findIndex(({ name }) => name === state.stop);
      if (n < 0) {
        this._close();
        return;
      }
      this._enter(n);
      if (!state.lens && !state.at) this.show();
      else if (this._isHere()) this.app.panel.fold(true);
    }

    // Moving

    /** Comes to the tour, or back to it. */
    enterAt(n) {
      const pressed = document.activeElement === this.enter;
      this._enter(n);
      this.show();
      if (pressed) this.cards[n].heading.focus({ preventScroll: true });
    }

    _enter(n) {
      this.n = n;
      document.body.classList.add("touring");
      this.enter.hidden = true;
      this._current();
      this._write(); // a link may say all that is shown, so that nothing else writes the captions
      this._scrollTo(n, "instant");
    }

    /** Leaves the network as it is. */
    leave() {
      if (!this.open) return;
      const inside = this.element.contains(document.activeElement);
      this._close();
      this.app.tell("looked");
      if (inside) this.enter.focus();
      page.say("You have left the tour. The button Tour comes back to the same stop.");
    }

    _close() {
      if (!this.open) return;
      document.body.classList.remove("touring");
      this.enter.hidden = false;
      this.app.panel.fold(matchMedia("(max-width: 820px)").matches);
    }

    go(n, scrolled = false) {
      if (n < 0 || n >= STOPS.length || n === this.n) return;
      const inside = this.cards[this.n].element.contains(document.activeElement);
      this.n = n;
      this._current();
      if (!scrolled) this._scrollTo(n);
      this.show();
      if (inside) this.cards[n].heading.focus({ preventScroll: true });
      page.say(`Stop ${n + 1} of ${STOPS.length}: ${STOPS[n].title}. ${this.cards[n].words.innerText}`);
    }

    /** The network shows what the stop is about. */
    async show() {
      const { app, stop } = this;
      app.motion?.stop();
      this.showing = true;
      try {
        if (!this.isOpen(this.traceOf(stop))) this._open(stop);
        if (app.network.lens !== stop.lens) app.look(stop.lens);
        const { name, flat } = this._at(stop);
        app.explain(name, flat);
        app.network.revealAll();
        app.fit.around([...app.marks.keys()]);
        app.panel.fold(true);
      } finally {
        this.showing = false;
      }
      this._write();
      requestAnimationFrame(() => this._bring()); // once everything has its size
      await this._play(stop);
    }

    /** On a narrow page the caption is a sheet over the network: what is lit comes out from under it, if there is room for
     * all of it, else the chosen number. */
    _bring() {
      const { chosen, marks, network } = this.app;
      const cell = this.open && chosen && network.cellOf(chosen.name, chosen.flat);
      if (!cell || !matchMedia("(max-width: 820px)").matches) return;
      const [low, high] = [16, this.element.getBoundingClientRect().top - 16];
      const spanOf = (cells) => {
        const boxes = cells.map((each) => each.getBoundingClientRect());
        return [Math.min(...boxes.map(({ top }) => top)), Math.max(...boxes.map(({ bottom }) => bottom))];
      };
      const all = spanOf([cell, ...network.cellsOf(marks)]);
      const [top, bottom] = all[1] - all[0] <= high - low ? all : spanOf([cell]);
      if (bottom > high) scrollBy({ top: bottom - high, behavior: "instant" });
      else if (top < low) scrollBy({ top: top - low, behavior: "instant" });
    }

    _at(stop) {
      const trace = this.traceOf(stop);
      const element = typeof stop.at === "string" ? stop.at : stop.at(new page.See(trace));
      return page.elementOf(trace, element);
    }

    _open(stop) {
      this.app.open(this.models.get(stop.example), { trace: this.traceOf(stop) });
    }

    /** Plays what the stop is about; then what is lit is seen again. */
    async _play({ motion }) {
      const { app } = this;
      if (!motion || !app.motion) return;
      const played = app.motion.play(motion);
      const { score } = app.motion;
      await played;
      if (score && app.motion.score === score) app.motion.stop();
    }

    // The column

    /** Which card is the one, for the eye, for readers and for the order of tabs. */
    _current() {
      const last = this.n === STOPS.length - 1;
      this.cards.forEach(({ element }, n) => {
        if (n === this.n) element.setAttribute("aria-current", "step");
        else element.removeAttribute("aria-current");
        this._tabs(n);
      });
      this.dots.forEach((dot, n) => {
        dot.classList.toggle("passed", n <= this.n);
        if (n === this.n) dot.setAttribute("aria-current", "step");
        else dot.removeAttribute("aria-current");
      });
      this.place.textContent = `${this.n + 1} of ${STOPS.length}`;
      this.before.setAttribute("aria-disabled", String(this.n === 0));
      this.next.textContent = last ? "Explore" : "Next \u2192";
    }

    /** Only what stands in the card of the stop is in the order of tabs. */
    _tabs(n) {
      for (const control of this.cards[n].element.querySelectorAll("button, input, .scrolled"))
        control.tabIndex = n === this.n ? 0 : -1;
    }

    /** Sentences anew where numbers may have changed: of the stop at once, of the others when there is time. */
    _write() {
      if (!this.possible || !this.open) return;
      this._fill(this.n);
      clearTimeout(this.filling);
      this.filling = setTimeout(() => this.cards.forEach((_, n) => this._fill(n)));
      this._away();
    }

    _fill(n) {
      const card = this.cards[n];
      if (!card.stale) return;
      card.stale = false;
      const see = new page.See(this.traceOf(STOPS[n]));
      card.words.replaceChildren(...page.sentences(this.app, see, STOPS[n].caption(see)));
      for (const part of card.parts) part.update?.();
      this._tabs(n);
    }

    /** Whether the page shows what the stop is about. */
    _isHere() {
      const { app, stop } = this;
      const { name, flat } = this._at(stop);
      return this.isOpen(this.traceOf(stop)) && app.network.lens === stop.lens && Boolean(app.isChosen(name, flat));
    }

    /** Says where it does not. */
    _away() {
      if (!this.possible || !this.open || this.showing) return;
      const { stop } = this;
      const { again } = this.cards[this.n];
      const here = this._isHere();
      again.classList.toggle("away", !here);
      again.textContent = here ? "\u21ba Play it again" : "\u21ba Back to this stop";
      for (const card of this.cards) card.again.classList.toggle("unseen", card.again !== again || (here && !stop.motion));
    }

    _scrollTo(n, behavior) {
      const { element } = this.cards[n];
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.target = n;
      this.into = 0;
      this.list.scrollTo({ top: element.offsetTop, behavior: behavior || (still ? "instant" : "smooth") });
      clearTimeout(this.settling);
      clearTimeout(this.arrived);
      this.arrived = setTimeout(() => this._arrived(), still || behavior ? SETTLED : 900);
    }

    _arrived() {
      this.target = null;
      if (this._isMoved()) this._scrolled();
    }

    /** Whether a person has just scrolled; browsers scroll by themselves, too, when heights change. */
    _isMoved() {
      return performance.now() - (this.moved || -Infinity) < MOVING;
    }

    /** The column has another height: the caption stays where it was, unless a person is scrolling. */
    _resized() {
      if (!this.open || this._isMoved()) return;
      const { element } = this.cards[this.n];
      const into = Math.max(0, Math.min(this.into, element.offsetHeight - this.list.clientHeight));
      this._scrollTo(this.n, "instant");
      if (into) this.list.scrollTop = element.offsetTop + into;
      this.into = into;
    }

    /** Scrolled by a person: the stop whose caption is at the top. */
    _scrolled() {
      if (!this.open || this.target !== null) return;
      this.into = this.list.scrollTop - this.cards[this.n].element.offsetTop;
      clearTimeout(this.settling);
      this.settling = setTimeout(() => {
        const top = this.list.scrollTop + this.list.clientHeight / 3;
        const bottom = this.list.scrollTop + this.list.clientHeight >= this.list.scrollHeight - 2;
        const tops = this.cards.map(({ element }) => element.offsetTop);
        const n = bottom ? STOPS.length - 1 : Math.max(0, tops.filter((each) => each <= top).length - 1);
        this.go(n, true);
      }, SETTLED);
    }

    _key(event) {
      const { key, target } = event;
      if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input, select, textarea")) return;
      if (NEXT.includes(key)) this.go(this.n + 1);
      else if (BEFORE.includes(key)) this.go(this.n - 1);
      else if (key === "Home") this.go(0);
      else if (key === "End") this.go(STOPS.length - 1);
      else if (key === "Escape") this.leave();
      else return;
      event.preventDefault();
    }
  };
  page.parts.push(page.Tour);
})();
