"use strict";
/* The models that came with the page: the one that it shows first, and the examples of the tour. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  let own = null;
  let shipped = null;

  /** The model that the page begins with. */
  page.ownModel = () => (own = own || JSON.parse(page.byId("model").textContent));

  /** Example -> model, of those that are there without asking anybody; null in the file means the page's own. */
  page.shippedModels = () => {
    const text = page.byId("examples")?.textContent ?? "{}";
    shipped = shipped || new Map(Object.entries(JSON.parse(text)).map(([name, model]) => [name, model ?? page.ownModel()]));
    return shipped;
  };
})();
