"use strict";
/* A sheet for `convgrad check`: the equations between a person's results, the numbers that they read, the results. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  const readBy = (tensor) => {
    if (tensor.shows) return [tensor.shows];
    const found = new Set();
    const walk = (term) => {
      if (!term) return;
      if (term.kind === "access") found.add(term.tensor);
      for (const part of term.parts || []) walk(part);
    };
    walk(tensor.definition && tensor.definition.term);
    return [...found];
  };

  /** Which tensors lie on a way from one result to another: only their equations are needed. */
  const between = (trace, results) => {
    const memory = new Map();
    const reaches = (name) => {
      if (!memory.has(name)) {
        const tensor = trace.tensor(name);
        const own = results.has(name);
        const cut = !own && (tensor.pinned || tensor.given);
        memory.set(name, own || (!cut && readBy(tensor).map(reaches).some(Boolean)));
      }
      return memory.get(name);
    };
    const wanted = new Set();
    const collect = (name) => {
      if (wanted.has(name) || !reaches(name)) return;
      wanted.add(name);
      readBy(trace.tensor(name)).forEach(collect);
    };
    for (const name of results.keys()) collect(name);
    return trace.names.filter((name) => wanted.has(name));
  };

  /** An equation whose indices are its own: two equations of a sheet may use one letter for two sizes. */
  const withOwnIndices = (tensor, sizes) => {
    const fresh = new Map();
    const own = (index, size) => {
      const name = `i${Object.keys(sizes).length + 1}`;
      sizes[name.toUpperCase()] = size;
      fresh.set(index, name);
      return name;
    };
    if (tensor.shows) return reshaped(tensor, own);
    for (const [index, size] of tensor.definition.ranges) own(index, size);
    return tensor.equation.replace(/[A-Za-z_][\w.']*/g, (word) => fresh.get(word) || word);
  };

  /** The same numbers in row-major order in another shape, as an equation. */
  const reshaped = (tensor, own) => {
    const shown = tensor.trace.tensor(tensor.shows);
    const side = (shape, letter) => shape.map((size, axis) => own(`${letter}${axis}`, size));
    const place = (shape, names) =>
      names.map((name, axis) => `${shape.slice(axis + 1).reduce((a, b) => a * b, 1)}*${name}`).join("+") || "0";
    const [left, right] = [side(tensor.shape, "to"), side(shown.shape, "from")];
    const at = (name, names) => name + (names.length ? `[${names}]` : "");
    const value = `where(${place(tensor.shape, left)} == ${place(shown.shape, right)}, ${at(shown.name, right)}, 0)`;
    return `${at(tensor.name, left)} = ${right.length ? `sum[${right}](${value})` : value}`;
  };

  const nested = (shape, texts) => {
    if (!shape.length) return texts[0];
    const size = texts.length / shape[0];
    const part = (n) => nested(shape.slice(1), texts.slice(n * size, (n + 1) * size));
    return `[${Array.from({ length: shape[0] }, (_, n) => part(n)).join(", ")}]`;
  };

  /** A number as it was typed, as TOML takes it: its digits say how far it was rounded. */
  page.tomlNumber = (text) => {
    const plain = text
      .trim()
      .replace(/\u2212/g, "-")
      .replace(/^\+/, "")
      .replace(/^([+-]?\d+),(\d+)$/, "$1.$2");
    const simple = /^(-?)0*(\d*)(?:\.(\d*))?(e[+-]?\d+)?$/i.exec(plain);
    if (!simple) return String(page.readNumber(text).value);
    const [, sign, whole, fraction, exponent] = simple;
    return `${sign}${whole || "0"}${fraction ? `.${fraction}` : ""}${exponent || ""}`;
  };

  const table = (trace, title, texts) =>
    [
      `[${title}]`,
      ...[...texts].map(([name, own]) => `"${name}" = ${nested(trace.tensor(name).shape, own)}`),
    ].join("\n");

  /** results: tensor -> texts of all its numbers, row-major. Returns TOML. */
  page.sheetOf = (trace, results) => {
    const names = between(trace, results);
    const sizes = {};
    const equations = names.map((name) => withOwnIndices(trace.tensor(name), sizes));
    const given = new Map();
    for (const name of names) {
      for (const read of readBy(trace.tensor(name))) {
        if (!names.includes(read))
          given.set(
            read,
            Array.from(trace.tensor(read).values, (value) => String(value + 0)),
          );
      }
    }
    const asked = Object.entries(sizes).map(([name, size]) => `${name} = ${size}`);
    const typed = new Map([...results].map(([name, texts]) => [name, texts.map(page.tomlNumber)]));
    return [
      `equation = """\n${equations.join("\n")}\n"""`,
      table(trace, "given", given),
      table(trace, "results", typed),
      `[sizes]\n${asked.join("\n")}`,
      "",
    ].join("\n");
  };
})();
