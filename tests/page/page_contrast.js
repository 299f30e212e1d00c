// What has too little contrast to be read (WCAG 2 AA), as [text, ratio]; icons that are hidden from readers apart.
() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const rgba = (color, under) => {
    context.fillStyle = `rgb(${under.join(" ")})`;
    context.fillRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const part = (value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    return rgba(getComputedStyle(element).backgroundColor, ground(element.parentElement));
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent.trim()).join("");
    const seen = element.getClientRects().length && !element.closest(".hidden, .skip, .katex-mathml, [aria-hidden], :disabled, script");
    if (!own || !seen) continue;
    const style = getComputedStyle(element);
    const under = ground(element);
    const [above, below] = [luminance(rgba(style.color, under)), luminance(under)].sort((a, b) => b - a);
    const ratio = (above + 0.05) / (below + 0.05);
    if (ratio < 4.5) poor.push([element.className, own, Number(ratio.toFixed(2))]);
  }
  return poor;
};
