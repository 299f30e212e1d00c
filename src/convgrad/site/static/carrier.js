"use strict";
/* The static site answers the page: what is known beforehand from files, all else by Python in the browser. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;

  /** What is going on, where the person looks: in an open window, or below the bar. */
  class Progress {
    constructor() {
      this.words = h("span");
      this.bar = h("progress", { max: 1, "aria-label": "Loading" });
      this.element = h("p", { id: "python-progress", class: "python-progress", role: "status" }, this.words, " ", this.bar);
    }

    show(words, share) {
      if (!words) {
        this.element.remove();
        return;
      }
      const place = document.querySelector("dialog[open] .verdict, dialog[open]") || byId("source");
      if (this.element.parentElement !== place) place.append(this.element);
      this.words.textContent = `${words}\u2026`;
      if (share === null) this.bar.removeAttribute("value");
      else this.bar.value = share;
    }
  }

  page.Site = class {
    constructor(settings) {
      this.settings = settings;
      const progress = new Progress();
      this.python = new page.Python(settings, (words, share) => progress.show(words, share));
    }

    async ask(path, body) {
      const file = body === undefined ? this.settings.answers[path] : undefined;
      if (file !== undefined) return this._file(file);
      const { status, content } = await this.python.ask(path, body === undefined ? undefined : JSON.stringify(body));
      const found = JSON.parse(content);
      if (status !== 200) throw new Error(found.error);
      return found;
    }

    async _file(name) {
      const response = await fetch(name).catch(() => null);
      if (!response?.ok) throw new Error(`${name} could not be loaded from this site. Are you connected?`);
      return response.json();
    }
  };

  page.carrier = new page.Site(JSON.parse(byId("site").textContent));
})();
