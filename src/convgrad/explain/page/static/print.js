"use strict";
/* On paper: the whole network in the width of a sheet, with the explanation below it (print.css). */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  /** The width of a sheet between its margins, in pixels: A4 across, as print.css has it. */
  const SHEET = 1047;
  /** Letters do not shrink evenly: so much of the width is kept for that. */
  const SPARE = 0.04;
  /** A network with more layers than this is printed as far as it is drawn. */
  const MOST_BLOCKS = 40;

  page.Print = class {
    constructor(app) {
      addEventListener("beforeprint", () => {
        const { network } = app;
        if (network.blocks.size <= MOST_BLOCKS) network.drawAll();
        network.flow.style.setProperty("--printed", Math.min(1, ((1 - SPARE) * SHEET) / network.flow.offsetWidth).toFixed(4));
      });
    }
  };
  page.parts.push(page.Print);
})();
