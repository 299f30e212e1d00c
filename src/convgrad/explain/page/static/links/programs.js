"use strict";
/* What is shown, for somebody's own program: as another tool writes it, and as a cell of a notebook. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const { h } = page;
  const TOOLS = { pytorch: "PyTorch", keras: "Keras", scipy: "NumPy and SciPy", matlab: "MATLAB, GNU Octave" };
  const MOST_NUMBERS = 20_000;

  const isSame = (one, other) => one.length === other.length && one.every((value, n) => value === other[n]);

  /** Of a step's given numbers those that the network did not come with, and all deltas that are given: tensor -> numbers.
   * What only the update reads is left out. */
  page.ownNumbers = (trace) => {
    const came = new convgrad.Trace(trace.model);
    const of = (name) => Array.from(trace.tensor(name).values);
    const isOwn = (name) => {
      const { given, lens } = trace.tensor(name);
      if (trace.deltas.has(name)) return true;
      return given && lens !== "update" && !isSame(of(name), came.tensor(name).values);
    };
    return Object.fromEntries(trace.names.filter(isOwn).map((name) => [name, of(name)]));
  };

  const nested = (shape, values) => {
    if (!shape.length) return String(values[0]);
    const size = values.length / shape[0];
    const parts = Array.from({ length: shape[0] }, (_, n) => nested(shape.slice(1), values.slice(n * size, (n + 1) * size)));
    return `[${parts.join(", ")}]`;
  };

  const KEYWORDS = new Map([[null, "None"], [true, "True"], [false, "False"]]);

  /** What is JSON, as Python. */
  const inPython = (value) => {
    if (KEYWORDS.has(value)) return KEYWORDS.get(value);
    if (Array.isArray(value)) return `[${value.map(inPython).join(", ")}]`;
    if (typeof value !== "object") return JSON.stringify(value);
    const items = Object.entries(value).map(([key, part]) => `${JSON.stringify(key)}: ${inPython(part)}`);
    return `{${items.join(", ")}}`;
  };

  /** Python that computes what the page shows of a bundled example, or of the network that was asked for; an Error with a
   * sentence where that is too long. */
  page.asCell = (trace, element, asked = null) => {
    const { model } = trace;
    const text = (name) => nested(trace.tensor(name).shape, trace.tensor(name).values);
    const table = (names, called) => `{${names.map((name) => `"${called(name)}": ${text(name)}`).join(", ")}}`;
    const own = page.ownNumbers(trace);
    const count = Object.values(own).reduce((sum, values) => sum + values.length, 0);
    if (count > MOST_NUMBERS)
      throw new Error(`${count.toLocaleString("en")} numbers were changed, too many for a cell. Reset takes them back.`);
    const deltas = trace.names.filter((name) => trace.deltas.has(name));
    const pins = trace.pins.filter((name) => !trace.deltas.has(name));
    const weights = Object.keys(own).filter((name) => trace.tensor(name).role === "parameter");
    const rate = model.learning_rate;
    const changes = [
      "input" in own && `x=${text("input")}`,
      "target" in own && `target=${text("target")}`,
      rate !== null && `optimizer=replace(example.optimizer, learning_rate=${text(rate)})`,
      `pins=${table(pins, (name) => name)}`,
      `deltas=${table(deltas, (name) => name.replace(/dx$/, "x"))}`,
    ];
    return [
      "from dataclasses import replace",
      "",
      asked ? "from convgrad.questions.networks import own_example" : "from convgrad.examples import load_example",
      "",
      asked ? `example = own_example(${inPython(asked)})` : `example = load_example("${model.name}")`,
      ...(weights.length ? ["weights = dict(example.network.get_weights())"] : []),
      ...weights.map((name) => `weights["${name}"] = ${text(name)}`),
      ...(weights.length ? ["example.network.set_weights(weights)"] : []),
      `trace = replace(example, ${changes.filter(Boolean).join(", ")}).trace()`,
      element ? `trace.at("${element}").explain()` : "trace",
      "",
    ].join("\n");
  };

  /** Whether Python has the network by name. */
  const isBundled = ({ served, trace, asked }) => {
    const known = served.examples?.map(({ name }) => name) ?? [...page.shippedModels().keys()];
    return !asked && known.includes(trace.model.name);
  };

  /** The two parts of the window that shares. share: it. */
  page.programParts = (share) => {
    const { app } = share;
    const { trace, asked } = app;
    if (asked?.worksheet) return [];
    return [programPart(share), cellPart(share)];
  };

  const programPart = (share) => {
    const { app } = share;
    const { trace, asked } = app;
    const from = asked ? { network: asked } : { example: trace.model.name };
    if (!app.served.served || (!asked && !isBundled(app))) {
      const source = isBundled(app) ? trace.model.name : "FILE.toml";
      const words = "With Python here, a program comes out that prints the same numbers:";
      return share._part("Program", words, h("code", {}, `convgrad explain ${source} --as pytorch`));
    }
    const tool = h(
      "select",
      { id: "program-tool", "aria-label": "Written for" },
      Object.entries(TOOLS).map(([name, words]) => h("option", { value: name }, words)),
    );
    const copy = async () => {
      const { text } = await page.ask("/api/program", { tool: tool.value, ...from, given: page.ownNumbers(trace) });
      return share._copy(text, "The program");
    };
    const pinned = trace.pins.some((name) => !trace.deltas.has(name)) ? " Pinned numbers have no place in it." : "";
    return share._part(
      "Program",
      `It prints the same numbers, in the tool's own order of axes.${pinned}`,
      h("div", { class: "share-row" }, tool, share._button("copy-program", "Copy program", copy)),
    );
  };

  const cellPart = (share) => {
    const { trace, asked, chosen, explanation } = share.app;
    if (!asked && !isBundled(share.app)) {
      const words = "This page does not know the file that it was made from. With that file, a notebook shows the same:";
      return share._part("Notebook", words, h("code", {}, 'convgrad.examples.read_example("FILE.toml").trace()'));
    }
    const copy = () => share._copy(page.asCell(trace, chosen && explanation.element, asked), "The cell");
    return share._part(
      "Notebook",
      "Python that shows the same, with convgrad installed:",
      h("div", { class: "share-row" }, share._button("copy-cell", "Copy cell", copy)),
    );
  };
})();
