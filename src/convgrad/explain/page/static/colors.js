"use strict";
/* Heat maps: numbers to colours, and the colour of the text upon them. */
(() => {
  const page = (convgrad.page = convgrad.page || {});

  const RAMPS = {
    light: {
      paper: [255, 255, 255],
      high: [116, 190, 190],
      positive: [244, 160, 88],
      negative: [126, 166, 240],
      dark: [18, 20, 26],
      bright: [255, 255, 255],
    },
    dark: {
      paper: [24, 28, 36],
      high: [22, 112, 118],
      positive: [150, 78, 14],
      negative: [44, 84, 172],
      dark: [12, 14, 18],
      bright: [255, 255, 255],
    },
  };
  const SIGNED = ["delta", "gradient", "parameter", "state", "update"];

  page.theme = () =>
    document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

  /** Whether a tensor is drawn with signs, about 0, or from its least number to its greatest. */
  page.isSigned = (tensor) => SIGNED.includes(tensor.role) || tensor.lens === "backward";

  /** What the colours of a tensor run over: {signed, low, high} of its finite numbers. */
  page.scale = (tensor) => {
    let low = Infinity;
    let high = -Infinity;
    for (const value of tensor.values) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) low = high = 0;
    if (page.isSigned(tensor)) {
      const size = Math.max(Math.abs(low), Math.abs(high)) || 1;
      return { signed: true, low: -size, high: size };
    }
    return { signed: false, low: Math.min(low, 0), high: high > low ? high : low + 1 };
  };

  const mix = (from, to, share) => from.map((part, n) => Math.round(part + (to[n] - part) * share));

  /** [r, g, b] of a value. */
  page.color = (value, scale, theme) => {
    const ramp = RAMPS[theme];
    if (!Number.isFinite(value)) return ramp.paper;
    if (scale.signed) {
      const share = Math.min(1, Math.abs(value) / scale.high);
      return mix(ramp.paper, value < 0 ? ramp.negative : ramp.positive, share ** 0.8);
    }
    const share = (value - scale.low) / (scale.high - scale.low);
    return mix(ramp.paper, ramp.high, Math.max(0, Math.min(1, share)));
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

  page.rgb = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
})();
