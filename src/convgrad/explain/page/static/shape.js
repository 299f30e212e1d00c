"use strict";
/* How a tensor lies on the page: rows and columns, and planes for all other axes. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  /** At most so many rows, columns and planes are written as numbers; more become an image. Few planes stand
   * side by side (together); others are turned like pages, if they are small. */
  const MOST = { rows: 12, columns: 12, planes: 16, together: 4, turned: 36 };
  const WORDS = { e: "example" };
  const ROWS_OF = ["parameter", "gradient", "update", "state"];

  const stepsOf = new WeakMap();
  /** How far apart neighbours of each axis lie in row-major order. The shape of a tensor stays as it is. */
  const strides = (shape) => {
    if (!stepsOf.has(shape))
      stepsOf.set(
        shape,
        shape.map((_, axis) => shape.slice(axis + 1).reduce((size, n) => size * n, 1)),
      );
    return stepsOf.get(shape);
  };

  /** rows, columns, planes; flat(plane, row, column), place(flat) -> {plane, row, column}; planeName(plane). */
  page.layout = (tensor, batched) => {
    const { shape } = tensor;
    const names = tensor.letters || tensor.indices;
    const examples = batched && names[0] === "e" ? 1 : 0;
    const size = shape.reduce((product, n) => product * n, 1);
    if (shape.length < 2) return vector(tensor, size, names);
    const rowAxis = shape.length === 2 ? 0 : examples;
    const columnAxis = rowAxis + 1;
    const others = shape.map((_, axis) => axis).filter((axis) => axis !== rowAxis && axis !== columnAxis);
    const step = strides(shape);
    const [rows, columns] = [shape[rowAxis], shape[columnAxis]];
    const planes = others.reduce((product, axis) => product * shape[axis], 1);
    const inPlane = strides(others.map((axis) => shape[axis]));
    const indicesOf = (plane) => others.map((axis, n) => Math.floor(plane / inPlane[n]) % shape[axis]);
    const base = (plane) => indicesOf(plane).reduce((at, index, n) => at + index * step[others[n]], 0);
    return {
      rows,
      columns,
      planes,
      size,
      names,
      rowName: names[rowAxis],
      columnName: names[columnAxis],
      image:
        rows > MOST.rows ||
        columns > MOST.columns ||
        planes > MOST.planes ||
        (planes > MOST.together && rows * columns > MOST.turned),
      together: planes <= MOST.together,
      flat: (plane, row, column) => base(plane) + row * step[rowAxis] + column * step[columnAxis],
      place: (flat) => {
        const at = shape.map((n, axis) => Math.floor(flat / step[axis]) % n);
        return {
          row: at[rowAxis],
          column: at[columnAxis],
          plane: others.reduce((sum, axis, n) => sum + at[axis] * inPlane[n], 0),
        };
      },
      planeName: (plane) =>
        indicesOf(plane)
          .map((index, n) => `${WORDS[names[others[n]]] || names[others[n]]} ${index}`)
          .join(" "),
    };
  };

  /** A vector is a column, of parameters a row; a long one is wrapped into an image. */
  const vector = (tensor, size, names) => {
    const lying = ROWS_OF.includes(tensor.role);
    const image = size > MOST.rows;
    const columns = image ? Math.min(size, Math.max(16, Math.ceil(Math.sqrt(size * 3)))) : lying ? size : 1;
    return {
      rows: Math.ceil(size / columns),
      columns,
      planes: 1,
      size,
      names,
      wrapped: image,
      image,
      together: true,
      rowName: lying || image ? "" : names[0] || "",
      columnName: lying && !image ? names[0] || "" : "",
      flat: (_, row, column) => row * columns + column,
      place: (flat) => ({ plane: 0, row: Math.floor(flat / columns), column: flat % columns }),
      planeName: () => "",
    };
  };

  /** [2, 0] of an element's place in row-major order. */
  page.indexOf = (shape, flat) => strides(shape).map((step, axis) => Math.floor(flat / step) % shape[axis]);

  page.flatOf = (shape, index) => {
    let at = 0;
    for (let axis = 0; axis < shape.length; axis += 1) at = at * shape[axis] + index[axis];
    return at;
  };

  /** conv1.dw[0,0] */
  page.elementName = (name, shape, flat) => (shape.length ? `${name}[${page.indexOf(shape, flat).join(",")}]` : name);

  /** conv1.dw row 0 column 0, as it is read aloud. */
  page.spokenName = (tensor, layout, flat) => {
    if (!tensor.shape.length) return tensor.name;
    if (tensor.shape.length === 1) return `${tensor.name} element ${flat}`;
    const { plane, row, column } = layout.place(flat);
    const within = layout.planes > 1 || tensor.shape.length > 2 ? ` ${layout.planeName(plane)}` : "";
    return `${tensor.name} row ${row} column ${column}${within}`;
  };
})();
