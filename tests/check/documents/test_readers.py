r"""The parts of documents: formulas, programs, output and prose, with their lines."""

from __future__ import annotations

import pytest

from convgrad.check.documents.formats import is_document, runs_in
from convgrad.check.documents.runs import Kind, Place
from convgrad.check.documents.statements import statements_of
from convgrad.errors import DataError


def parts(text: str, name: str) -> list[tuple[str, str, str]]:
    """Kind, place and text of all parts but prose."""
    found = [run for run in runs_in(text, name) if run.kind is not Kind.PROSE]
    return [(run.kind.name, str(run.place), " ".join(run.text.split())) for run in found]


def test_markdown() -> None:
    text = r"""
Costs of $5 and $6 are no formula, `$x$` is code, \$y\$ is escaped.
<!-- $hidden = 1$
-->
Inline $a = b$ and \(c = d\), then

$$
e = f
$$

> \[g = h\]

~~~python
x = 1
~~~

    y = 2

- a list

    whose item goes on with $i = j$

```text
[1. 2.]
```
"""
    assert parts(text, "a.md") == [
        ("SPAN", "line 2", "$x$"),
        ("FORMULA", "line 5", "a = b"),
        ("FORMULA", "line 5", "c = d"),
        ("FORMULA", "line 7", "e = f"),
        ("FORMULA", "line 11", "g = h"),
        ("PROGRAM", "line 14", "x = 1"),
        ("PROGRAM", "line 17", "y = 2"),
        ("FORMULA", "line 21", "i = j"),
        ("OUTPUT", "line 24", "[1. 2.]"),
    ]


def test_latex_with_its_own_commands() -> None:
    text = r"""\documentclass{article} % $comment = 1$
\newcommand{\E}{\mathcal{L}}
\newcommand{\pd}[2]{\frac{\partial #1}{\partial #2}}
\def\half{\frac{1}{2}}
\begin{document}
\begin{align*}
  \pd{\E}{x} &= \half
\end{align*}
\begin{minted}{python}
z = 3
\end{minted}
\end{document}
$after = 1$
"""
    assert parts(text, "a.tex") == [
        ("FORMULA", "line 6", r"\frac{\partial \mathcal{L} }{\partial x} &= \frac{1}{2}"),
        ("PROGRAM", "line 10", "z = 3"),
    ]


def test_web_pages() -> None:
    text = r"""<html><body><style>p { color: red }</style>
<p>Text with \(a = b\) and
<script type="math/tex; mode=display">c = d</script>
<img class="mwe-math" alt="{\displaystyle e=f}">
<math display="block"><semantics><mi>g</mi>
<annotation encoding="application/x-tex">g = h</annotation></semantics></math>
<math><mi>i</mi></math>
<pre class="lang-py"><code>x &lt; 1
</code></pre>
"""
    assert parts(text, "-") == [
        ("FORMULA", "line 2", "a = b"),
        ("FORMULA", "line 3", "c = d"),
        ("FORMULA", "line 4", "e=f"),
        ("FORMULA", "line 6", "g = h"),
        ("UNREADABLE", "line 7", "MathML"),
        ("PROGRAM", "line 8", "x < 1"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "mine.ipynb is not a notebook: it has no list of cells"),
        ('{"cells": [7]}', "mine.ipynb is not a notebook: cell 1 has no cell_type"),
        ("{", "mine.ipynb is not a JSON file, or was cut off"),
    ],
)
def test_what_is_no_notebook(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        runs_in(text, "mine.ipynb")


def test_names_of_documents() -> None:
    assert [n for n in ("a.md", "-", "b.TEX", "c.ipynb", "d.htm", "conv2d", "e.toml", "f.txt") if is_document(n)] == [
        *("a.md", "-", "b.TEX", "c.ipynb", "d.htm", "f.txt"),
    ]


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        (r"a &= b \\ &= c", ["a = b", "a = c"]),
        (r"a = b, \quad c = d", ["a = b", "c = d"]),
        (r"a = \sum_{i=0}^{n} b_i \text{ and } c = d", [r"a = \sum_{i=0}^{n} b_i", "c = d"]),
        (r"y = \begin{cases} 1 & x = 0 \\ 0 & \text{else} \end{cases} \tag{3}", None),
        (r"w \leftarrow w - \eta g", ["w = w - \\eta g"]),
        (r"x \in A", []),
    ],
)
def test_statements(formula: str, said: list[str] | None) -> None:
    found = [f"{s.left} = {s.right}" for s in statements_of(formula, Place(1))]
    if said is None:
        assert len(found) == 1
        assert r"\begin{cases} 1 & x = 0 \\ 0 & \text{else} \end{cases}" in found[0]
    else:
        assert found == said
