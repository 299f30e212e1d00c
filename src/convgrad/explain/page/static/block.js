"use strict";
/* A layer in the network, input, loss or step: its name, its equation, and a lane for each kind of tensor. In a large
 * network it is empty, with the room that its tensors will take, until it is seen. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  const TITLES = { input: "Input", loss: "Loss", step: "Learning rate" };
  /** Sizes in units of the text, a little more than they take. */
  const CELL = { wide: 3.8, high: 1.6 };
  const TITLE = 2.2;
  const CAPTION = 2.4;
  const LETTER = 0.52;
  const HEAD = 4.2;
  /** The tensors of the loss stand in columns as high as this. */
  const COLUMN = 15;
  const PADDING = 1.1;

  /** The room that a tensor takes, {wide, high} in units of the text, without looking at its numbers. */
  page.roomOf = (tensor, layout) => {
    const title = (tensor.name.length + tensor.shape.join("\u00d7").length + 2) * LETTER;
    if (layout.image) {
      const { wide, high } = page.pictureSize(layout);
      return { wide: Math.max(title, wide + 0.6), high: high + TITLE };
    }
    const across = layout.together ? Math.min(2, layout.planes) : 1;
    const down = layout.together ? Math.ceil(layout.planes / across) : 1;
    const caption = layout.planes > 1 || layout.rows * layout.columns > 1 ? CAPTION : 0;
    return {
      wide: Math.max(title, across * (layout.columns * CELL.wide + 1.2)),
      high: down * (layout.rows * CELL.high + caption) + TITLE,
    };
  };

  page.Block = class {
    constructor(app, name) {
      Object.assign(this, { app, name, full: false, lanes: [] });
      this.rows = new Map(); // lane -> its element
      this.rooms = new Map(); // lens -> its room
      this.element = h("section", {
        class: `block ${app.layers.has(name) ? "" : name}`,
        "aria-label": name,
        "data-block": name,
      });
    }

    /** Its lanes are those of a lens: [lane, names of its tensors] from top to bottom. keep: what is there already and
     * belongs to them stays; else it is empty until it is filled.
     */
    stand(lens, lanes, keep) {
      this.lens = lens;
      this.full = false;
      this.lanes = lanes.map(([lane, names]) => ({ lane, names, element: this._row(lane) }));
      page.arrange(this.element, keep && this.element.firstChild ? this._children : []);
    }

    _row(lane) {
      if (!this.rows.has(lane)) this.rows.set(lane, h("div", { class: `lane ${lane}` }));
      return this.rows.get(lane);
    }

    get _children() {
      return [this._head, ...this.lanes.map(({ element }) => element)];
    }

    /** Its name and its equation. */
    get _head() {
      const { heads } = this.app.network;
      if (!heads.has(this.name)) heads.set(this.name, this._newHead());
      return heads.get(this.name);
    }

    _newHead() {
      const { app, name } = this;
      const layer = app.layers.get(name);
      if (!layer) return h("div", { class: "block-head" }, h("h2", {}, TITLES[name]));
      const type = layer.type === "Equation" ? null : h("span", { class: "layer-type" }, layer.type);
      const equation = h("div", { class: "block-equation", tabindex: "-1" }, page.formula(layer.latex));
      return h("div", { class: "block-head" }, this._named(name, layer), type, equation);
    }

    _named(name, layer) {
      const button = {
        type: "button",
        class: "layer-name",
        onclick: () => this.app.showLayer(name),
        "aria-label": `${name}, ${layer.type}: how its gradients follow`,
      };
      return h("h2", {}, h("button", button, name));
    }

    /** The room for each lane, and for all; [head, ...lanes] and the width, in units of the text. */
    get room() {
      if (!this.rooms.has(this.lens)) this.rooms.set(this.lens, this._newRoom());
      return this.rooms.get(this.lens);
    }

    _newRoom() {
      const { trace, batched, layers } = this.app;
      let wide = Math.max(7, (this.name.length + (layers.get(this.name)?.type.length ?? 0) + 1) * LETTER);
      const high = this.lanes.map(({ names }) => {
        const rooms = names.map((name) => page.roomOf(trace.tensor(name), page.layout(trace.tensor(name), batched)));
        const across = Math.max(0, ...rooms.map((room) => room.wide));
        const down = rooms.reduce((sum, room) => sum + room.high, 0.5);
        const columns = this.name === "loss" ? Math.ceil(down / COLUMN) + 1 : 1; // and one for the answer
        wide = Math.max(wide, across * columns);
        return Math.min(down, this.name === "loss" ? COLUMN : down);
      });
      return { wide: wide + PADDING, high: [HEAD, ...high] };
    }

    /** Its tensors are drawn. view: name -> TensorView. */
    fill(view) {
      if (this.full) return false;
      this.full = true;
      page.arrange(this.element, this._children);
      for (const { lane, element, names } of this.lanes) {
        const answer = this.name === "loss" && lane === "results" ? [this.app.answer.element] : [];
        page.arrange(element, [...answer, ...names.map((name) => view(name).element)]);
      }
      return true;
    }

    /** Its tensors are taken off the page. */
    empty() {
      this.full = false;
      for (const { element } of this.lanes) element.replaceChildren();
    }
  };
})();
