"use strict";
/* Strokes of a pen to the pixels of a digit, as the training data was made: the ink's longer side is 20 pixels of 28, its
 * centre of mass lies in the middle, pixels at the border are as dark as they are covered. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  const SIDE = 28;
  const INK = 20;
  /** Where the data has its centre of mass, on average to a hundredth: the centre of the pixel in row and column 14. */
  const MIDDLE = 14.5;
  /** Half the pen's width in pixels: with it drawn digits have as much ink as the data. */
  const PEN = 1.25;
  /** A dot is not made as large as a digit. Share of the drawing's side that is the least to count. */
  const LEAST = 0.15;

  const distance = (x, y, [x0, y0], [x1, y1]) => {
    const [along, down] = [x1 - x0, y1 - y0];
    const length = along * along + down * down;
    const share = length ? Math.max(0, Math.min(1, ((x - x0) * along + (y - y0) * down) / length)) : 0;
    const [dx, dy] = [x - x0 - share * along, y - y0 - share * down];
    return Math.sqrt(dx * dx + dy * dy); // the same bits in every browser, as Math.hypot is not
  };

  /** How far each pixel is covered, 0..1. */
  const covered = (strokes) => {
    const found = new Float64Array(SIDE * SIDE);
    for (const stroke of strokes) {
      for (let n = 0; n < stroke.length; n += 1) {
        const [from, to] = [stroke[Math.max(0, n - 1)], stroke[n]];
        const reach = (axis, sign) => sign * Math.max(sign * from[axis], sign * to[axis]) + sign * (PEN + 1);
        const range = (axis) => [
          Math.max(0, Math.floor(reach(axis, -1))),
          Math.min(SIDE - 1, Math.floor(reach(axis, 1))),
        ];
        const [[left, right], [top, bottom]] = [range(0), range(1)];
        for (let row = top; row <= bottom; row += 1) {
          for (let column = left; column <= right; column += 1) {
            const far = distance(column + 0.5, row + 0.5, from, to);
            const ink = Math.max(0, Math.min(1, PEN + 0.5 - far));
            const place = row * SIDE + column;
            if (ink > found[place]) found[place] = ink;
          }
        }
      }
    }
    return found;
  };

  const moved = (strokes, change) => strokes.map((stroke) => stroke.map(change));

  const centreOf = (ink) => {
    let [mass, across, down] = [0, 0, 0];
    ink.forEach((value, place) => {
      mass += value;
      across += value * ((place % SIDE) + 0.5);
      down += value * (Math.floor(place / SIDE) + 0.5);
    });
    return [across / mass, down / mass];
  };

  /** strokes: lists of [x, y], 0..1 across and down the drawing. Returns 784 whole numbers 0..255, row by row. */
  page.pixelsOfStrokes = (strokes) => {
    const points = strokes.flat();
    if (!points.length) return new Array(SIDE * SIDE).fill(0);
    const [low, high] = [0, 1].map((axis) => points.map((point) => point[axis])).reduce(
      ([lows, highs], values) => [[...lows, Math.min(...values)], [...highs, Math.max(...values)]],
      [[], []],
    );
    const scale = (INK - 2 * PEN) / Math.max(high[0] - low[0], high[1] - low[1], LEAST);
    const fitted = moved(strokes, (point) =>
      point.map((value, axis) => (value - (low[axis] + high[axis]) / 2) * scale + SIDE / 2),
    );
    const centre = centreOf(covered(fitted));
    const centred = moved(fitted, (point) => point.map((value, axis) => value + MIDDLE - centre[axis]));
    return Array.from(covered(centred), (ink) => Math.round(255 * ink));
  };

  /** A pixel p of 0..255 is the number p / 255, in float32 as images are read. */
  page.numbersOfPixels = (pixels) => pixels.map((pixel) => Math.fround(pixel / 255));
})();
