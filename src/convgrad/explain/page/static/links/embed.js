"use strict";
/* The page within another one: `?embed` in its address leaves the network, the explanation, and a link to all of it. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  const escaped = (text) => text.replace(/&/g, "&amp;").replace(/"/g, "&quot;").replace(/</g, "&lt;");

  /** The text that embeds an address: of a file its name, for it lies beside the page that embeds it. */
  page.embedText = (address, title, height) => {
    const url = new URL(address);
    url.searchParams.set("embed", "");
    const whole = url.href.replace("embed=", "embed");
    const src = url.protocol === "file:" ? whole.slice(whole.lastIndexOf("/", whole.indexOf("?")) + 1) : whole;
    return (
      `<iframe src="${escaped(src)}" title="${escaped(title)}" width="100%" height="${height}" ` +
      'style="border: 1px solid #ccc; border-radius: 8px" loading="lazy"></iframe>'
    );
  };

  page.embedded = new URLSearchParams(location.search).has("embed");

  page.Embed = class {
    constructor(app) {
      if (!page.embedded) return;
      this.app = app;
      document.documentElement.classList.add("embedded");
      this.link = h("a", { target: "_blank", rel: "noopener", id: "open-in-full" }, "Open in full \u2197");
      const aim = () => (this.link.href = this.address);
      for (const event of ["pointerdown", "focus", "mouseenter"]) this.link.addEventListener(event, aim);
      aim();
      this.title = h("strong", {});
      document.body.prepend(h("header", { class: "embed-bar" }, this.title, this.link));
    }

    get address() {
      const address = new URL(location.href);
      address.searchParams.delete("embed");
      return address.href;
    }

    opened() {
      if (this.title) this.title.textContent = this.app.trace.model.name;
    }
  };
  page.parts.push(page.Embed);
})();
