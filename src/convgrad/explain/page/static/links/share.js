"use strict";
/* "Share": the link, the chosen explanation, the picture, and the text that embeds the page into another one. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const HEIGHT = 640;

  page.Share = class {
    constructor(app) {
      this.app = app;
      this.dialog = h("dialog", { id: "share-dialog", class: "dialog wide", "aria-labelledby": "share-title" });
      this.button = h(
        "button",
        {
          type: "button",
          id: "share",
          title: "A link, a formula, a picture of what is shown",
          onclick: () => this.open(),
        },
        "Share\u2026",
      );
      byId("help").after(this.dialog);
      byId("tools").prepend(this.button);
    }

    async open() {
      await this.app.links.settled();
      await this.app.served.filled;
      const { app } = this;
      this.told = h("p", { id: "share-told", role: "status" });
      this.text = h("textarea", {
        id: "share-text",
        rows: 6,
        readonly: true,
        hidden: true,
        "aria-label": "To be copied",
      });
      this.dialog.replaceChildren(
        h(
          "div",
          { class: "dialog-head" },
          h("h2", { id: "share-title" }, "Share what is shown"),
          h(
            "button",
            { type: "button", class: "small", id: "close-share", onclick: () => this.dialog.close() },
            "Close",
          ),
        ),
        this._link(),
        this._explanation(app.chosen && app.explanation),
        this._picture(),
        ...page.programParts(this),
        this._embed(),
        this.told,
        this.text,
      );
      this.dialog.showModal();
    }

    _part(title, words, ...rest) {
      return h("section", { class: "share-part" }, h("h3", {}, title), words && h("p", { class: "hint" }, page.withCode(words)), rest);
    }

    _button(id, words, act) {
      const button = h("button", { type: "button", id, class: "small", onclick: () => this._do(act) }, words);
      return button;
    }

    async _do(act) {
      this.text.hidden = true;
      try {
        this.told.textContent = await act();
      } catch (error) {
        page.tellIn(this.told, error.message);
      }
    }

    /** Onto the clipboard; where that is denied, the text is there, selected. */
    async _copy(text, what) {
      if (await page.copyText(text)) return `${what} is copied.`;
      this.text.value = text;
      this.text.hidden = false;
      this.text.focus();
      this.text.select();
      this.text.scrollTop = 0;
      page.bringIntoView(this.text);
      return page.NOT_COPIED;
    }

    get address() {
      const address = new URL(location.href);
      address.searchParams.delete("embed");
      return address.href.replace("embed=", "embed");
    }

    _link() {
      const { tooLong } = this.app.links;
      const field = h("input", {
        type: "text",
        id: "share-link",
        readonly: true,
        "aria-label": "Link",
        value: this.address,
      });
      field.addEventListener("focus", () => field.select());
      const where =
        location.protocol === "file:"
          ? "It opens for those who have this file in the same place."
          : byServer()
            ? "It opens on this machine, while `convgrad explain --serve` is running."
            : "";
      const words = tooLong
        ? `The changed numbers are too many for a link (${tooLong.toLocaleString("en")} characters; it holds ` +
          `${page.LONGEST_LINK.toLocaleString("en")}): this one shows the network without them.`
        : where;
      return this._part(
        "Link",
        words,
        h(
          "div",
          { class: "share-row" },
          field,
          this._button("copy-link", "Copy link", () => this._copy(this.address, "The link")),
        ),
      );
    }

    _explanation(explanation) {
      if (!explanation) return this._part("Explanation", "Choose a number first, to copy how it was calculated.");
      const link = /^https?:/.test(location.protocol) && !byServer() ? this.address : null;
      return this._part(
        `Explanation of ${explanation.element}`,
        null,
        h(
          "div",
          { class: "share-row" },
          this._button("copy-latex", "Copy LaTeX", () => this._copy(page.asLatex(explanation), "The LaTeX")),
          this._button("copy-markdown", "Copy Markdown", () =>
            this._copy(page.asMarkdown(explanation, link), "The Markdown"),
          ),
        ),
      );
    }

    _picture() {
      const { app } = this;
      const shown = app.trace.names.filter((name) => app.network.shows(name) && app.network.views.has(name));
      this.what = h(
        "select",
        { id: "share-what", "aria-label": "What is drawn" },
        h("option", { value: "" }, "The network"),
        shown.map((name) => h("option", { value: name }, name)),
      );
      if (app.chosen && shown.includes(app.chosen.name)) this.what.dataset.chosen = app.chosen.name;
      const name = (suffix) => `${app.trace.model.name}-${this.what.value || app.network.lens}.${suffix}`;
      const svgBlob = async () => new Blob([(await this._drawn()).text], { type: "image/svg+xml" });
      const png = async () => page.asPng(await this._drawn());
      const saved = async (blob, file) => {
        page.save(blob, file);
        return `${file} is saved.`;
      };
      return this._part(
        "Picture",
        null,
        h(
          "div",
          { class: "share-row" },
          this.what,
          this._button("save-svg", "Save SVG", async () => saved(await svgBlob(), name("svg"))),
          this._button("save-png", "Save PNG", async () => saved(await png(), name("png"))),
          this._button("copy-svg", "Copy SVG", async () => this._copy((await this._drawn()).text, "The SVG")),
          this._button("copy-png", "Copy PNG", async () => {
            const blob = await png();
            if (await page.copyPicture(blob)) return "The PNG is copied.";
            return saved(blob, name("png")).then(
              (words) => `The browser does not let the page copy pictures: ${words}`,
            );
          }),
        ),
      );
    }

    /** The picture of what is chosen to be drawn. */
    _drawn() {
      const { app } = this;
      const name = this.what.value;
      if (!name) app.network.drawAll();
      const element = name ? app.network.view(name).element : app.network.flow;
      const title = `${app.trace.model.name}: ${name || page.LENSES[app.network.lens].title}`;
      return page.asSvg(element, title);
    }

    _embed() {
      if (byServer())
        return this._part(
          "Embed",
          "A page on this machine can't stand in another one. Write it as a file with `convgrad explain --html`, and put " +
            "that beside your page.",
        );
      const title = `${this.app.trace.model.name}: every number of a training step`;
      const text = page.embedText(this.address, title, HEIGHT);
      const words =
        location.protocol === "file:"
          ? "Put this file beside your page; for blogs, slides and notebooks:"
          : "For blogs, slides and notebooks:";
      const field = h("textarea", {
        id: "share-embed",
        rows: 3,
        readonly: true,
        "aria-label": "Text that embeds the page",
      });
      field.value = text;
      field.addEventListener("focus", () => field.select());
      return this._part(
        "Embed",
        words,
        field,
        h(
          "div",
          { class: "share-row" },
          this._button("copy-embed", "Copy", () => this._copy(text, "The text")),
        ),
      );
    }
  };

  const byServer = () => Boolean(page.app?.trace.model.served) && /^(127\.|localhost$|\[::1\])/.test(location.hostname);

  page.parts.push(page.Share);
})();
