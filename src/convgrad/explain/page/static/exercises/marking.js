"use strict";
/* Answers marked without Python: by the numbers that come with the sheet, and by what follows from the person's own. The
 * rules are those of convgrad/check/sheets/sheet.py; mistakes are named by a table that it made. */
(() => {
  const page = (convgrad.page = convgrad.page || {});
  const FIGURES = 12;

  /** A half goes away from 0; what float64 makes of a short decimal beyond 12 figures does not count. */
  page.halfUp = (value, decimals) => {
    const size = Math.abs(Number(value.toPrecision(FIGURES)));
    const shifted = (number, by) => (/e/.test(String(number)) ? number * 10 ** by : Number(`${number}e${by}`));
    return Math.sign(value) * shifted(Math.round(shifted(size, decimals)), -decimals) + 0;
  };

  /** What a typed number may be off by: half a unit of its last digit, nothing for a whole number. */
  const halfOf = (text) => {
    const match = /^-?\d+(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text);
    if (!match || (match[1] === undefined && match[2] === undefined)) return 0;
    return 0.5 * Number(`1e${Number(match[2] ?? 0) - (match[1] ?? "").length}`);
  };

  const read = (text) => {
    if (!text.trim()) return null;
    const plain = page.tomlNumber(text);
    return { value: Number(plain), half: halfOf(plain) };
  };

  /** What a tensor is where the person's numbers before it are gone on from. */
  const following = (trace, name, decimals) => {
    trace.unpin(name);
    const values = Float64Array.from(trace.valuesOf(name));
    return decimals === undefined ? values : values.map((value) => page.halfUp(value, decimals));
  };

  const causeOf = ({ longer, mistakes }, { value, half }) => {
    if (longer && Math.abs(value - longer.number) <= half && half < longer.half) return longer.words;
    return Object.entries(mistakes).find(([wrong]) => Number(wrong) === value)?.[1] ?? null;
  };

  /** {marks, causes: [{blanks, words}], notes}, as /api/marks gives them. Mistakes were foreseen from the sheet's numbers:
   * where the person's own ones before a blank give it another number, none is named. */
  page.markedAlone = (model, texts) => {
    const { blanks, decimals, marking } = model.exercise;
    const trace = new convgrad.Trace(model);
    const marks = blanks.map(() => "open");
    const causes = [];
    let faultless = true;
    for (const name of marking.order) {
      const printed = trace.tensor(name).values;
      const follows = following(trace, name, decimals[name]);
      const own = follows.map((value, flat) => (Number.isNaN(printed[flat]) ? value : printed[flat]));
      const wrong = [];
      blanks.forEach(([tensor, flat], n) => {
        const typed = tensor === name ? read(texts[n]) : null;
        if (!typed) return;
        const { right, room } = marking.blanks[n];
        const near = typed.half * (1 + 1e-6) + room;
        const between = faultless ? [Math.min(right, follows[flat]), Math.max(right, follows[flat])] : [right, right];
        if (typed.value >= between[0] - near && typed.value <= between[1] + near) marks[n] = "right";
        else if (Math.abs(typed.value - follows[flat]) <= near) marks[n] = "follows";
        else wrong.push([n, typed, Math.abs(follows[flat] - right) <= room]);
        own[flat] = typed.value;
      });
      for (const [n, typed, asForeseen] of wrong) {
        marks[n] = "wrong";
        causes.push({ blanks: [n + 1], words: asForeseen ? causeOf(marking.blanks[n], typed) : null });
      }
      if (wrong.length) faultless = false;
      trace.setAll(name, own);
    }
    return { marks, causes, notes: [] };
  };
})();
