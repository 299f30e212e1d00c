"use strict";
/* A layer in the builder's list: its type, its arguments or its equation, and what they mean to the server. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;

  /** What an argument's text means: a number, true, null, a list, else the text itself. */
  const valueOf = (text) => {
    const plain = text.trim();
    if (/^\(?\s*-?\d+\s*(,\s*-?\d+\s*)+,?\s*\)?$/.test(plain)) return plain.match(/-?\d+/g).map(Number);
    const spelled = { True: true, False: false, None: null }[plain];
    if (spelled !== undefined) return spelled;
    try {
      return JSON.parse(plain);
    } catch {
      return plain;
    }
  };

  /** M = 2, N = 3 as {M: 2, N: 3}. */
  const sizesOf = (text) => {
    const pairs = text.split(/[,;]/).filter((part) => part.trim());
    return Object.fromEntries(
      pairs.map((pair) => {
        const [name, size] = pair.split("=");
        return [name.trim(), Number(size)];
      }),
    );
  };

  /** A layer of the list as the server takes it. */
  page.layerRequest = ({ type, ...written }) => {
    if (type === "Equation") {
      const sizes = written.sizes.trim() ? { sizes: sizesOf(written.sizes) } : {};
      return { type, text: written.text, ...sizes };
    }
    const given = Object.entries(written).filter(([, text]) => text.trim() !== "");
    return { type, ...Object.fromEntries(given.map(([name, text]) => [name, valueOf(text)])) };
  };

  const argumentField = (layer, place, { name, default: otherwise, required }) => {
    const input = h("input", {
      type: "text",
      "data-argument": name,
      autocomplete: "off",
      placeholder: required ? "needed" : otherwise === null ? "" : String(otherwise),
      required,
      "aria-label": `${name} of layer ${place + 1}`,
    });
    input.value = layer[name] || "";
    input.addEventListener("input", () => (layer[name] = input.value));
    return h("label", { class: "argument" }, h("span", {}, name), input);
  };

  const equationFields = (layer, place) => {
    const text = h("textarea", {
      rows: Math.max(2, layer.text.split("\n").length),
      spellcheck: "false",
      "aria-label": `Equation of layer ${place + 1}`,
    });
    text.value = layer.text;
    text.addEventListener("input", () => (layer.text = text.value));
    const sizes = h("input", {
      type: "text",
      autocomplete: "off",
      placeholder: "M = 2, N = 2",
      "aria-label": `Sizes in the equation of layer ${place + 1}`,
    });
    sizes.value = layer.sizes;
    sizes.addEventListener("input", () => (layer.sizes = sizes.value));
    const labelled = h("label", { class: "argument" }, h("span", {}, "sizes"), sizes);
    return h("div", { class: "equation-fields" }, text, labelled);
  };

  /** known: the server's list of layers; act: {choose(type), move(to), remove()}; last: the last place of the list. */
  page.layerRow = (known, layer, place, last, act) => {
    const types = ["Equation", ...known.map(({ type }) => type).filter((type) => type !== "Equation")];
    const select = h(
      "select",
      { "aria-label": `Type of layer ${place + 1}`, onchange: () => act.choose(select.value) },
      types.map((type) => h("option", { value: type }, type)),
    );
    select.value = layer.type;
    const button = (kind, icon, words, onclick, disabled) => {
      const label = `${words} layer ${place + 1}`;
      const told = { "aria-label": label, title: words };
      return h("button", { type: "button", class: `small ${kind}`, ...told, onclick, disabled }, icon);
    };
    const buttons = h(
      "span",
      { class: "row-buttons" },
      button("up", "\u2191", "Move up", () => act.move(place - 1), place === 0),
      button("down", "\u2193", "Move down", () => act.move(place + 1), place === last),
      button("remove", "\u00d7", "Remove", () => act.remove()),
    );
    const described = layer.type !== "Equation" && known.find(({ type }) => type === layer.type);
    const asked = described ? described.arguments.filter(({ name }) => name !== "name") : [];
    const fields = h(
      "span",
      { class: "arguments" },
      asked.map((argument) => argumentField(layer, place, argument)),
    );
    return h(
      "li",
      { class: "layer-row" },
      h("div", { class: "row-head" }, select, fields, buttons),
      layer.type === "Equation" ? equationFields(layer, place) : null,
      h("p", { class: "problem layer-problem" }),
    );
  };
})();
