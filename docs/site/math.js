"use strict";
/* Formulas by the renderer of the live page; where it can't set one, its MathML stays. */
for (const element of document.querySelectorAll(".math[data-latex]")) {
  try {
    const options = { displayMode: true, output: "htmlAndMathml", strict: false, trust: false };
    element.innerHTML = katex.renderToString(element.dataset.latex, options);
  } catch (error) {
    if (!(error instanceof katex.ParseError)) throw error;
  }
}
