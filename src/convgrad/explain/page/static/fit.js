"use strict";
/* How large the network is drawn: as large as it all fits, or as large as somebody wants it; and what stands below it. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;

  /** Smaller than this nobody reads it: from there on the network scrolls. */
  const LEAST = 0.59;
  const MOST = 1.5;
  const BY_HAND = [0.3, 2.5];
  const STEP = 1.2;

  /** On a phone: what is kept free beside layers that are seen together, and how small they may get for that. */
  const MARGIN = 9;
  const LEAST_BESIDE = 0.55;

  /** On a wide page: smaller than this, layers that are spoken of are drawn larger than all of it would be, if by as much. */
  const EASY = 0.75;
  const WORTH = 1.15;

  /** So often it is measured; and how near two sizes are of which the second needs no measuring. */
  const TRIES = 3;
  const NEAR = 0.03;

  /** So much smaller a network may get, for equations that do not break. */
  const FOR_EQUATIONS = 0.93;

  /** Planes side by side, one below the other, and these with the tensors of a lane side by side. */
  const WAYS = ["", "tall", "tall beside"];

  /** The size to draw it in: all of it if it can be read then, else its height. */
  const wanted = ({ whole, down }) => {
    const size = whole >= LEAST ? whole : Math.max(LEAST, Math.min(1, down));
    return Math.min(MOST, Math.floor(size * 200) / 200);
  };

  page.Fit = class {
    constructor(app) {
      this.app = app;
      app.fit = this;
      this.flow = app.network.flow;
      this.section = app.network.section;
      this.zoom = 1;
      this.known = new Map(); // lens -> the size that it was drawn in
      this.chosen = null;
      this.about = null; // the tensors that are spoken of, where they are drawn larger than the whole
      const button = (id, icon, words, act) =>
        h("button", { type: "button", class: "small", id, title: words, "aria-label": words, onclick: act }, icon);
      this.says = h("output", { class: "zoom-says", id: "zoom-says" });
      this.digits = h(
        "button",
        { type: "button", class: "small", id: "all-digits", "aria-pressed": "false", onclick: () => this.allDigits() },
        "All digits",
      );
      byId("zoom").replaceChildren(
        button("smaller", "\u2212", "Smaller", () => this.by(1 / STEP)),
        this.says,
        button("larger", "+", "Larger", () => this.by(STEP)),
        button("fit", "Fit", "Fit: as large as it fits", () => this._whole()),
        this.digits,
      );
      this.section.addEventListener("wheel", (event) => this._wheel(event), { passive: false });
      let pending = 0;
      new ResizeObserver(() => {
        cancelAnimationFrame(pending);
        pending = requestAnimationFrame(() => String(this._size()) !== String(this.sized) && this.fit());
      }).observe(this.section);
    }

    /** What of it was there only when it was open. A large network has the room for that from the beginning. */
    opened() {
      if (!this.app.network.large) this.fit();
    }

    /** Another network has its own size again. */
    looked() {
      if (this.trace !== this.app.trace) {
        this.chosen = null;
        this.known.clear();
      }
      this.trace = this.app.trace;
      this.about = null;
      this.fit();
    }

    /** Whether it was drawn with a lens before, and so how large it will be. */
    knows(lens) {
      return this.known.has(lens);
    }

    /** What its size depends on: on a phone the page is as high as the network. */
    _size() {
      return [this.section.clientWidth, this.narrow ? null : this.section.clientHeight];
    }

    /** All numbers as they are, or three or four digits of them. */
    allDigits(on = !this.app.network.allDigits) {
      this.app.network.allDigits = on;
      this.digits.setAttribute("aria-pressed", String(on));
      this.app.network.repaint();
      this.fit();
    }

    /** All of the network, whatever was spoken of. */
    _whole() {
      this.about = null;
      this.fit(null);
    }

    by(factor) {
      this.fit(Math.max(BY_HAND[0], Math.min(BY_HAND[1], this.zoom * factor)));
    }

    /** zoom: a size by hand, null: as large as it fits; without it: as it was asked for last. */
    fit(zoom = this.chosen) {
      this.chosen = zoom;
      const { network } = this.app;
      const likely = zoom ?? (this.narrow ? 1 : this.known.get(network.lens));
      if (likely) this._put(likely); // before anything is measured
      if (!network.lens || !this.section.clientWidth) return;
      this.sized = this._size();
      const { middle } = network; // before another lens or size
      if (zoom !== null || this.narrow) {
        this.flow.classList.remove("fitted");
        this._break();
        this.flow.classList.toggle("roomy", this.narrow && !network.large);
      }
      if (zoom !== null) this._put(zoom);
      else if (this.narrow) this._put(1);
      else this._fitted();
      this.section.scrollLeft = middle * this.section.scrollWidth - this.section.clientWidth / 2;
      if (this.about && this.chosen === null && !this.narrow) this._around(this.about);
      this.app.network.fill();
      page.soon("equations", () => this._letScroll());
      this._told();
    }

    _told() {
      this.says.textContent = `${Math.round(this.zoom * 100)}\u2009%`;
      this.app.network.drawLines();
      this.app.tell("fitted");
    }

    /** On a phone blocks stand one beside the other, each as wide as it likes. */
    get narrow() {
      return matchMedia("(max-width: 820px)").matches;
    }

    /** The layers of these tensors, or at least the tensors, are seen side by side, where they can be read: on a phone smaller
     * than else, on a wide page larger, where all of the network is small.
     */
    around(names) {
      const { network } = this.app;
      if (this.chosen !== null || network.large) return;
      if (this.narrow) {
        this._around(names);
        this._told();
        return;
      }
      const before = this.about;
      this.about = this.known.get(network.lens) < EASY ? names : null;
      if (before || this.about) this.fit();
    }

    _around(names) {
      const { network } = this.app;
      const seen = names.filter((name) => network.drawn(name));
      const layers = seen.map((name) => network.blocks.get(network.blockOf.get(name)).element);
      const tensors = seen.map((name) => network.view(name).element);
      const ends = (elements) => {
        const boxes = elements.map((element) => element.getBoundingClientRect());
        return [Math.min(...boxes.map(({ left }) => left)), Math.max(...boxes.map(({ right }) => right))];
      };
      const room = this.section.clientWidth - 2 * MARGIN;
      this.flow.classList.remove("fitted");
      const most = () => (this.narrow ? 1 : Math.min(1, this._room().down));
      const sizeFor = ([left, right]) => Math.min(most(), (this.zoom * room) / (right - left));
      const least = this.narrow ? LEAST_BESIDE : WORTH * this.zoom;
      const all = [layers, tensors].find((elements) => sizeFor(ends(elements)) >= least);
      for (let tries = 0; tries < TRIES && (all || this.narrow); tries += 1)
        this._put(all ? sizeFor(ends(all)) : 1); // borders do not shrink
      this.flow.classList.toggle("fitted", !this.narrow);
      if (all) this.section.scrollLeft += ends(all)[0] - this.section.getBoundingClientRect().left - MARGIN;
    }

    /** An equation that is wider than its block is scrolled by keys, too. */
    _letScroll() {
      const equations = [...this.flow.querySelectorAll(".block-equation")];
      const wide = equations.map((equation) => equation.scrollWidth > equation.clientWidth);
      equations.forEach((equation, n) => (equation.tabIndex = wide[n] ? 0 : -1));
    }

    _put(zoom) {
      if (zoom === this.zoom) return;
      this.zoom = zoom;
      this.flow.style.setProperty("--zoom", zoom.toFixed(4));
    }

    /** The room for the network beside what it takes: the zoom for it all, and for its height alone; its width. */
    _room() {
      const style = getComputedStyle(this.section);
      const wide = this.section.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
      const high = this.section.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
      const down = high / this.flow.offsetHeight;
      return { whole: Math.min(wide / this.flow.offsetWidth, down) * this.zoom, down: down * this.zoom, wide };
    }

    /** From the size that it has, which is often nearly right: each other one that is tried lays it all out. Of the ways
     * to stand that one is taken in which it can be drawn larger. */
    _fitted() {
      const { large, lens } = this.app.network;
      this.flow.classList.remove("fitted");
      this._break();
      let best = null;
      for (let tries = 0; tries < TRIES; tries += 1) {
        const rooms = (large ? [""] : WAYS).map((way) => {
          this._stand(way);
          return { way, ...this._room() };
        });
        best = rooms.reduce((one, other) => (other.whole > one.whole * 1.02 ? other : one));
        this._stand(best.way);
        const size = wanted(best);
        const fits = large || best.whole < LEAST || best.whole >= this.zoom;
        if (fits && Math.abs(size / this.zoom - 1) < NEAR) break;
        this._put(size);
      }
      if (!large && best.whole >= LEAST) this._settle();
      this.known.set(lens, this.zoom);
      if (large) return;
      if (best.whole >= LEAST) this._unbreak();
      this.flow.classList.add("fitted");
    }

    _stand(way) {
      for (const name of ["tall", "beside"]) this.flow.classList.toggle(name, way.includes(name));
    }

    /** Letters do not grow evenly: what is a hair too wide gets smaller by a hair. */
    _settle() {
      for (let n = 0; n < 4 && this.zoom > LEAST && this._room().whole < this.zoom; n += 1)
        this._put(Math.max(LEAST, this.zoom - 0.005));
    }

    /** Blocks are as wide as their numbers. */
    _break() {
      for (const element of this.flow.querySelectorAll(".block.roomy")) element.classList.remove("roomy");
      this.flow.classList.remove("roomy");
    }

    /** Where there is room beside the network, equations need not break; else those that need least, as long as it gets
     * only a little smaller for them.
     */
    _unbreak() {
      const blocks = [...this.flow.querySelectorAll(".block")];
      const widths = () => blocks.map(({ offsetWidth }) => offsetWidth);
      const [before, width] = [widths(), this.flow.offsetWidth];
      this.flow.classList.add("roomy");
      if (this._room().whole >= this.zoom) return;
      const more = widths().map((wide, n) => wide - before[n]);
      this.flow.classList.remove("roomy");
      const room = this._room().wide / FOR_EQUATIONS - width;
      let taken = 0;
      for (const n of [...blocks.keys()].filter((each) => more[each] > 0).sort((one, other) => more[one] - more[other])) {
        taken += more[n];
        if (taken > room) break;
        blocks[n].classList.add("roomy");
      }
      this._put(Math.min(this.zoom, Math.floor(this._room().whole * 200) / 200));
      this._settle();
    }

    /** Pinched, or with Ctrl. */
    _wheel(event) {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.by(Math.exp(-event.deltaY / 300));
    }
  };
  page.parts.push(page.Fit);
})();
