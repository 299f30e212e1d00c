"""`convgrad explain` and `convgrad examples`: every number of a training step, with where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convgrad.arguments import shown
from convgrad.commands.predict import read_image
from convgrad.commands.terminal import output, print_json, print_list, print_words, say, tell, working
from convgrad.errors import DataError, ModelError, suggestion
from convgrad.system.files import check_regular, write_text
from convgrad.system.texts import file_text, json_from

if TYPE_CHECKING:
    from convgrad.examples import Example
    from convgrad.explain.trace.trace import Trace
    from convgrad.paper import Document


def examples() -> None:
    """List the examples that `convgrad explain` knows by name."""
    from convgrad.examples import NAMES, load_example

    print_list((name, load_example(name).about) for name in NAMES)
    print_words("\n`convgrad explain FILE.toml` explains your own network.")


def explain(
    source: Annotated[str, typer.Argument(metavar="EXAMPLE|FILE.toml|RUN_DIR", help="What to explain.")] = "classic",
    at: Annotated[
        str | None, typer.Option("--at", metavar="ELEMENT", help='One number, such as "conv1.dw[0,0]".')
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Ignore pinned numbers, except deltas.")] = False,
    unpin: Annotated[
        list[str] | None, typer.Option("--unpin", metavar="TENSOR", help="Ignore the pinned numbers of this tensor.")
    ] = None,
    input_file: Annotated[
        Path | None, typer.Option("--input", metavar="FILE", help="Input: .json, .csv, .npy or an image.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="LABEL|[..]", help="What the network should return.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, metavar="N", help="With --at: how far back to explain.")] = 1,
    as_tool: Annotated[
        str | None,
        typer.Option("--as", metavar="TOOL", help="As keras, pytorch, scipy or matlab (GNU Octave) would write it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    latex: Annotated[Path | None, typer.Option("--latex", metavar="FILE", help="Write a LaTeX document.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", metavar="FILE", help="Write a PDF document.")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the page as one file.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Open the page on this machine.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="With --serve; 0 takes any free one.")
    ] = 8765,
    run_programs: Annotated[
        bool, typer.Option("--run-programs", help="With --serve: run the programs that are pasted.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="With --serve: print the address only.")] = False,
) -> None:
    """Explain every number of a training step: forward, deltas, gradients, update.

    conv1.x is the result of layer conv1, conv1.dx its delta, conv1.dw the gradient of its weights.

    Examples:
    convgrad explain;
    convgrad explain --at "conv1.dw[0,0]";
    convgrad explain two-convolutions --at "conv1.dx[2,2]" --depth 2;
    convgrad explain classic --as pytorch;
    convgrad explain --serve
    """
    equation = _equation_sheet(source)
    if equation is None:
        with working(f"reading {source}"):
            bundled, x, wanted = found(source), _input(input_file, source), _target(target)
            example = bundled.given(x, wanted)
        if left_out := bundled.left_out(x, wanted):
            say(left_out)
        trace, name, text = example.trace(exact, unpin or ()), example.name, example.text
        for note in _notes(trace):
            say(f"Note: {note}")
    else:
        networks_only = {"--input": input_file, "--target": target, "--as": as_tool, "--html": html, "--serve": serve}
        _refuse(source, [option for option, value in networks_only.items() if value])
        trace, name, text = _trace_of(equation, source, exact, unpin or ()), Path(source).stem, equation.get("text", "")
    _check_results(source, trace)
    console = output()
    files = {suffix: path for suffix, path in ((".tex", latex), (".pdf", pdf)) if path is not None}
    if files:
        with working(f"writing {' and '.join(map(str, files.values()))}"):
            _write(files, _document(name, text, trace, at))
    if html is not None:
        with working(f"writing {html}"):
            write_text(html, _page(example, trace))
    made = [*files.values(), *([html] if html is not None else [])]
    if made and not (as_json or at or serve):
        for path in made:
            console.print(f"wrote {path}", soft_wrap=True)
        return
    if serve:
        _serve(_page(example, trace, served=True), port, not no_browser, run_programs)
        return
    if as_tool is not None:
        from convgrad.explain.rendering.conventions import as_written_by

        with working(f"writing {name} for {as_tool}"):
            program = as_written_by(trace, as_tool)
        console.print(program, soft_wrap=True)
    elif as_json:
        with working(f"computing {name}"):
            content = trace.to_json() if at is None else _looked_at(trace, at).to_json()
        print_json(content)
    elif at is not None:
        looked_at = _looked_at(trace, at)
        with working(f"explaining {at.strip()}"):
            told = str(looked_at) if not hasattr(looked_at, "text") else looked_at.text(depth)
        tell(told)
    else:
        from convgrad.explain.words.walk import WIDTH, walk

        with working(f"computing {name}"):
            told = walk(trace, name, text).text(min(console.width, WIDTH))
        tell(told)


def _equation_sheet(source: str) -> dict[str, Any] | None:
    """The content of a file that gives an equation and no network; None of all else."""
    from convgrad.check.sheets.sheet_file import is_equation, toml_numbers
    from convgrad.models.toml_file import toml_content

    path = Path(source)
    if path.suffix.lower() != ".toml" or not is_equation(toml_content(path)):
        return None
    return toml_numbers(path)


def _check_results(source: str, trace: Trace) -> None:
    """Raises: DataError where a file names results that are not tensors of it: explained without them, nobody would see
    that a name is misspelt.
    """
    path = Path(source)
    if path.suffix.lower() != ".toml":
        return
    from convgrad.check.sheets.sheet_file import check_names, read_results, toml_numbers

    check_names(trace, read_results(toml_numbers(path), path), path)


def _trace_of(equation: Mapping[str, Any], source: str, exact: bool, unpinned: Collection[str]) -> Trace:
    from convgrad.check.sheets.sheet_file import read_trace

    trace = read_trace(equation, Path(source))
    return trace.without_pins() if exact else trace.without_pins(unpinned) if unpinned else trace


def _notes(trace: Trace) -> tuple[str, ...]:
    from convgrad.check.sheets.sheet_file import notes_on

    return notes_on(trace)


def _refuse(source: str, options: Collection[str]) -> None:
    """Options that need a network, for a sheet that has none."""
    if options:
        raise DataError(f"{source} gives an equation, but {' and '.join(options)} can be used with networks only.")


def _looked_at(trace: Trace, at: str) -> Any:
    """The explanation of an element; a tensor where no index is given."""
    name = at.strip()
    if "[" not in name and name in trace and trace[name].shape:
        return trace[name]
    return trace.at(at).explain()


def _document(name: str, text: str, trace: Trace, at: str | None) -> Document:
    from convgrad.explain.rendering.document import element_document, walk_document
    from convgrad.explain.words.walk import walk

    if at is not None:
        return element_document(trace.at(at).explain())
    return walk_document(walk(trace, name, text), trace)


def _page(example: Example, trace: Trace, served: bool = False) -> str:
    from convgrad.examples.page import example_page

    return example_page(example, trace, served)


def _serve(page: str, port: int, browser: bool, programs: bool) -> None:
    """Until Ctrl-C is pressed."""
    import webbrowser

    from convgrad.serve.server import PageServer

    with PageServer(page, port, programs=programs) as server:
        typer.echo(f"The page is at {server.url} until Ctrl-C is pressed.")
        if browser:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("The page is closed.")


def found(source: str) -> Example:
    """A bundled example, a TOML file, or a folder that `convgrad train` wrote."""
    from convgrad.examples import NAMES, Example, load_example, read_example
    from convgrad.examples.files import invented_input
    from convgrad.models import NAMED, build

    path = Path(source)
    if source in NAMES:
        return load_example(source)
    if path.suffix.lower() == ".toml":
        return read_example(path)
    if path.is_dir():
        return _trained(path)
    if source in NAMED:
        named = NAMED[source]
        network = build(source, named.input_shape, 10)
        return Example(source, network, named.about, x=invented_input(network.input_shape), loss=named.loss)
    known = suggestion(source, (*NAMES, *NAMED))
    raise ModelError(f"There is no example, model or folder {source!r}, and a model file ends in .toml.{known}")


def _trained(folder: Path) -> Example:
    """A trained network, on the first test digit where it was trained on digits."""
    from convgrad.data.bundled import load_digits
    from convgrad.examples import Example
    from convgrad.examples.files import invented_input
    from convgrad.models.saved import load
    from convgrad.optimizers import optimizer_from
    from convgrad.training.checkpoint import load_config

    config, network = load_config(folder), load(folder)
    training = config.get("training", {})
    if not isinstance(training, Mapping):
        raise DataError(f"config.json was changed or is damaged: training is {shown(training)}, but must be a table.")
    optimizer = optimizer_from(training.get("optimizer", "sgd"))
    if training.get("learning_rate"):
        optimizer = replace(optimizer, learning_rate=training["learning_rate"])
    x, target = invented_input(network.input_shape), None
    digits = load_digits()
    if digits.test_images is not None and digits.test_labels is not None and network.input_shape == digits.image_shape:
        x, target = digits.test_images[0], int(digits.test_labels[0])
    if training.get("loss", "softmax_cross_entropy") != "softmax_cross_entropy":
        target = None
    return Example(
        name=folder.name,
        network=network,
        x=x,
        target=target,
        loss=training.get("loss", "softmax_cross_entropy"),
        optimizer=optimizer,
    )


def _target(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json_from(text, "--target")
    except DataError:
        raise typer.BadParameter(
            f"{shown(text)} is neither a label nor a list of numbers: 3, or [0, 1].", param_hint="--target"
        ) from None


def _input(path: Path | None, source: str) -> Any:
    """The numbers of a file."""
    import numpy as np

    from convgrad.data.budget import check_bytes

    if path is None:
        return None
    check_regular(path)
    try:
        check_bytes(100 * path.stat().st_size, str(path))  # what text and its list of numbers take, at most
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix.lower() == ".json":
            return np.array(json_from(file_text(path), "it"), dtype=np.float64)
        if path.suffix.lower() in (".csv", ".txt"):
            text = path.read_text(encoding="utf-8").replace(",", " ").replace(";", " ")
            return np.array([[float(v) for v in line.split()] for line in text.splitlines() if line.strip()])
    except OSError as error:
        raise DataError(f"Can't read {path}: {error.strerror}.") from error
    except (DataError, ValueError, TypeError, ArithmeticError, MemoryError, EOFError, SyntaxError) as error:
        raise DataError(f"{path} does not hold an array of numbers: {error}.") from error
    return _image(path, found(source).network.input_shape)


def _image(path: Path, shape: tuple[int, ...]) -> Any:
    if len(shape) not in (2, 3):
        raise DataError(
            f"The network takes inputs of shape {shape}, which are not images; give {path.name} as numbers."
        )
    pixels = read_image(path, shape if len(shape) == 3 else (*shape, 1))
    return pixels.reshape(shape)


def _write(files: Mapping[str, Path], document: Document) -> None:
    from convgrad.paper import write

    for suffix, path in files.items():
        write(document, path, suffix)
