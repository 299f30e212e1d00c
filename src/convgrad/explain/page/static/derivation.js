"use strict";
/* The derivation of a layer's gradients, step by step, as it was recorded when they were derived. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  const steps = (derivation) =>
    h(
      "ol",
      { class: "steps" },
      derivation.steps.map((step) =>
        h(
          "li",
          {},
          h("strong", {}, page.capital(step.rule)),
          step.sentence ? h("p", {}, step.sentence) : null,
          h(
            "div",
            { class: "scrolled", tabindex: "0", role: "group", "aria-label": step.rule },
            page.formula(step.latex),
          ),
        ),
      ),
    );

  /** Takes it along as LaTeX; where the browser does not let the page copy, the text is there, selected. */
  const copied = (derivation) => {
    const told = h("span", { role: "status" });
    const text = h("textarea", { rows: 6, readonly: true, hidden: true, "aria-label": "To be copied" });
    text.value = page.derivationAsLatex(derivation);
    const copy = async () => {
      text.hidden = await page.copyText(text.value);
      told.textContent = text.hidden ? "The LaTeX is copied." : page.NOT_COPIED;
      if (!text.hidden) text.select();
    };
    const title = "Every step, for a document with amsmath";
    const button = h("button", { type: "button", class: "small copy-derivation", title, onclick: copy }, "Copy LaTeX");
    return h("div", { class: "copied" }, h("div", { class: "actions" }, button, told), text);
  };

  const derivationPart = (derivation, open) => {
    const what = derivation.of === "input" ? "the deltas that it passes back" : "the gradient of its weights";
    const details = h(
      "details",
      { class: "derivation" },
      h("summary", {}, "How ", h("var", {}, derivation.gradient), `, ${what}, follows`),
    );
    const fill = () => {
      if (details.open && details.children.length === 1) details.append(steps(derivation), copied(derivation));
    };
    details.addEventListener("toggle", fill);
    details.open = open;
    fill();
    return details;
  };

  /** The layer's equation, the derivation that is asked for, what else there is to say, the other derivations. */
  const layerPart = (layer, chosen) => {
    const sentences = h(
      "details",
      { class: "derivation", open: !chosen },
      h("summary", {}, "About its sizes and sums"),
      h(
        "ul",
        { class: "sentences" },
        layer.sentences.map((sentence) => h("li", {}, sentence)),
      ),
    );
    const asked = layer.derivations.filter(({ gradient }) => gradient === chosen);
    const others = layer.derivations.filter(({ gradient }) => gradient !== chosen);
    return [
      h(
        "h2",
        { id: "layer-title", tabindex: "-1" },
        `Layer ${layer.name}`,
        layer.type === "Equation" ? null : h("span", { class: "layer-type" }, layer.type),
      ),
      layer.latex
        ? h(
            "div",
            { class: "scrolled", tabindex: "0", role: "group", "aria-label": `Equation of ${layer.name}` },
            page.formula(layer.latex),
          )
        : null,
      asked.map((derivation) => derivationPart(derivation, true)),
      layer.sentences.length ? sentences : null,
      others.map((derivation) => derivationPart(derivation, false)),
    ];
  };

  /** What belongs to a tensor: the derivation that it comes from, or its layer. */
  page.derivationOf = (app, tensor) => {
    const found = tensor.derivation;
    if (found) return layerPart(app.layers.get(found.layer), found.gradient);
    const layer = app.layers.get(tensor.layer);
    return layer ? layerPart(layer, null) : [];
  };

  page.layerPart = (app, name) => layerPart(app.layers.get(name), app.layers.get(name).derivations[0]?.gradient);
})();
