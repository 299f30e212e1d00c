"use strict";
/* The way to the page that trains, where the site has it. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h, byId } = page;
  const { training } = page.carrier.settings;

  if (training) byId("source").after(h("a", { id: "to-training", href: `${training}index.html` }, "Train LeNet here"));
})();
