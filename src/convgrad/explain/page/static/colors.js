"use strict";
/* Heat maps: numbers to colours, and the colour of the text upon them. 0 is paper; the sign is also written. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  const RAMPS = {
    light: {
      paper: [255, 255, 255],
      high: [92, 184, 178],
      low: [205, 148, 214],
      positive: [244, 160, 88],
      negative: [126, 166, 240],
      dark: [18, 20, 26],
      bright: [255, 255, 255],
    },
    dark: {
      paper: [24, 28, 36],
      high: [16, 114, 116],
      low: [124, 62, 138],
      positive: [150, 78, 14],
      negative: [44, 84, 172],
      dark: [12, 14, 18],
      bright: [255, 255, 255],
    },
  };
  const SIGNED = ["delta", "gradient", "parameter", "state", "update"];

  const dark = matchMedia("(prefers-color-scheme: dark)"); // each cell asks for the theme
  page.theme = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");

  /** Whether a tensor has the colours of weights and of what comes back, or those of results. */
  page.isSigned = (tensor) => SIGNED.includes(tensor.role) || tensor.lens === "backward";

  /** What the colours of a tensor run over, {signed, high}: from -high to high, its finite number of the greatest size. */
  page.scale = (tensor) => {
    let high = 0;
    const { values } = tensor;
    for (let n = 0; n < values.length; n += 1) {
      const size = Math.abs(values[n]);
      if (size > high && size < Infinity) high = size;
    }
    return { signed: page.isSigned(tensor), high };
  };

  const mix = (from, to, share) => from.map((part, n) => Math.round(part + (to[n] - part) * share));

  /** [r, g, b] of a value. */
  page.color = (value, scale, theme) => {
    const ramp = RAMPS[theme];
    if (!Number.isFinite(value)) return ramp.paper;
    const share = scale.high ? Math.min(1, Math.abs(value) / scale.high) : 0;
    const [low, high] = scale.signed ? [ramp.negative, ramp.positive] : [ramp.low, ramp.high];
    return mix(ramp.paper, value < 0 ? low : high, share ** 0.8);
  };

  const linear = (part) => (part <= 10.31475 ? part / 3294.6 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  page.luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

  /** Dark or bright, whichever can be read better on a colour. */
  page.textOn = (color, theme) => {
    const ground = page.luminance(color);
    const dark = (ground + 0.05) / (page.luminance(RAMPS[theme].dark) + 0.05);
    const bright = (page.luminance(RAMPS[theme].bright) + 0.05) / (ground + 0.05);
    return dark >= bright ? RAMPS[theme].dark : RAMPS[theme].bright;
  };

  /** The shades of a palette on each side of 0, more than a screen can tell apart. */
  const SHADES = 2048;
  const palettes = new Map();
  const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;

  /** Colours and signs of values from -high to high, as pixels of a canvas; made once for each theme. */
  page.palette = (signed, theme) => {
    const key = `${signed} ${theme}`;
    if (!palettes.has(key)) {
      const shades = Array.from({ length: 2 * SHADES + 1 }, (_, n) =>
        page.color(n / SHADES - 1, { signed, high: 1 }, theme),
      );
      const sign = (color) => {
        const ink = page.textOn(color, theme);
        return color.map((part, n) => Math.round(0.55 * part + 0.45 * ink[n]));
      };
      palettes.set(key, {
        colors: Uint32Array.from(shades, packed),
        signs: Uint32Array.from(shades, (color) => packed(sign(color))),
      });
    }
    return palettes.get(key);
  };

  /** The place of a value in a palette; 0, and what is not finite, is in the middle. */
  page.shade = (value, high) => {
    const share = (value / high) * SHADES;
    return Math.abs(share) <= SHADES ? SHADES + Math.round(share) : SHADES;
  };

  const inks = new Map();
  /** A colour of the styles, "--mark-a" say, in the present theme. It is read once, for to ask for a style makes the
   * browser work out all that have changed. */
  page.ink = (name) => {
    const key = `${page.theme()} ${name}`;
    if (!inks.has(key)) inks.set(key, getComputedStyle(document.documentElement).getPropertyValue(name));
    return inks.get(key);
  };

  page.rgb = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
})();
