"""Words and signs, and what they are: functions, Greek letters, words, where an expression ends."""

from __future__ import annotations

from convgrad.functions import CONDITION, FUNCTIONS, Function

CALLED: dict[str, Function] = {
    name: row for row in FUNCTIONS.values() if CONDITION not in row.arguments for name in (row.name, *row.latex_names)
}
"""What a function is called in LaTeX -> its row."""
GREEK = {
    *("delta", "alpha", "beta", "gamma", "eta", "mu", "theta", "lambda", "epsilon", "varepsilon", "rho", "phi", "nu"),
    *("omega", "psi", "xi", "zeta", "kappa", "tau", "varphi", "vartheta", "pi", "chi", "sigma", "ell", "Theta"),
    *("Delta", "Phi", "Omega", "Gamma", "Lambda", "Psi", "Sigma"),
}
VARIANTS = {"varepsilon": "epsilon", "varphi": "phi", "vartheta": "theta", "ell": "l_loss"}
GENERIC = {"f", "g", "h", "phi", "psi", "act"}
"""Functions that have no name of their own: an activation, whichever."""
WORDS = {
    *("max", "out", "new", "old", "in", "hid", "tot", "total", "bias", "target", "pred", "true", "net", "loss", "ref"),
    *("full", "pool", "min", "avg", "prev", "next", "err", "hat", "tilde", "bar", "rms", "norm", "conv", "hidden"),
    *("output", "input", "next", "previous", "mean", "var", "std", "dense", "label"),
}
"""Subscripts that are words and no indices."""
STOPS = {
    *("+", "-", "=", ")", "]", "}", ",", "<", ">", "\\ge", "\\geq", "\\le", "\\leq", "\\ne", "\\neq", "==", "<=", ">="),
    *("!=", "\\}", "|", "\\rvert", "\\rVert", "\\|", "&", "\\\\", "\\endcases", "\\in", ":=", "<-", "-=", "+="),
    *("\\leftarrow", "\\gets", "\\equiv", "\\triangleq", "\\coloneqq", "\\doteq", "\\approx", "\\forall", "\\propto"),
    *("\\vert", "\\Vert", "\\lvert", "\\lVert", "\\rangle", "\\sim", "\\mapsto", "\\rfloor", "\\rceil"),
}
TRANSPOSES = {"T", "\\top", "\\intercal", "\\mathsf", "\\transp", "\\dagger"}
TIMES = {"*", "\\cdot", "\\times"}
LETTER_WORDS = {
    *(
        "sum",
        "relu",
        "ReLU",
        "softmax",
        "sign",
        "sgn",
        "diag",
        "tr",
        "Tr",
        "trace",
        "rot",
        "rot180",
        "flip",
        "conv",
        "conv2",
        "corr",
        "xcorr2",
    ),
    *("conv2d", "correlate2d", "convolve2d", "if", "otherwise", "else", "for", "and", "where", "full", "valid", "same"),
    *("eta", "delta", "eps", "lr", "argmax", "argmin"),
    *CALLED,
}
"""Words that are no products of letters."""
QUALIFIERS = {"for", "where", "with", "if", "when", "and", "all", "otherwise", "else", "each", "every", "since"}
"""Words at which an expression ends."""
