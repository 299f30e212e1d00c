"""Predictions beside the libraries that people take for them: onnxruntime, OpenVINO and ncnn, on the same ONNX file.

    pip install onnx onnxruntime openvino ncnn pnnx        # the extras `onnx`, `openvino` and `ncnn`
    python -m benchmarks.runtimes [--case resnet18*] [--batch 1]

Each network of the suite is written by `Network.to_onnx` with channels first, which all prefer, batch normalization
folded; pnnx makes ncnn's files of that. All get as many threads as we do. All compute in float32, of which OpenVINO and
ncnn have to be told; where the processor has bfloat16, which OpenVINO takes by default, it does so, too, in a column of
its own. ncnn knows no batches: it gets one image after the other. `ours` is a `network.predictor`, which holds weights
as the others do; `predict`, beside it, looks at them anew in each call. PyTorch takes part in the better format. Each
result is compared with PyTorch's in float64 before it is timed; that in bfloat16 only has its distance printed. `worst`
is the time of the quickest of them in float32 divided by ours: above 1 we are faster than all.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import torch_networks
from benchmarks.machine import processor, threads_in_use
from benchmarks.models import NETWORKS, NetworkCase
from benchmarks.networks import ALLOWED, FLOOR, batch_of, prepared
from benchmarks.timing import Call, Effort, geometric_mean, interleaved, medians
from benchmarks.verify import Array, check_rounding, distance

RIVALS = ("onnxruntime", "OpenVINO", "ncnn")
HALF = "OpenVINO bf16"
PLAIN = "predict"
SCREENING = Effort(3, 0.05)


def runtimes(network: Any, x: Array, threads: int, half: bool) -> dict[str, Call]:
    """Name -> a call that returns the results (N, classes). half: OpenVINO in bfloat16, too."""
    import onnxruntime
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "network.onnx")
        network.to_onnx(path, fold_batch_norm=True, layout="channels_first", check=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        core = openvino.Core()
        model = core.read_model(path)
        light = _ncnn(path, x.shape[1:], threads)
    image = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    model.reshape(list(image.shape))
    calls: dict[str, Call] = {}
    name = session.get_inputs()[0].name
    calls["onnxruntime"] = lambda: session.run(None, {name: image})[0]
    for called, precision in (("OpenVINO", "f32"), *(((HALF, "bf16"),) if half else ())):
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
        }
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        calls[called] = partial(_inferred, request, image)
    calls["ncnn"] = partial(_one_by_one, light, image)
    return {name: calls[name] for name in (*RIVALS, HALF) if name in calls}


def _inferred(request: Any, image: Array) -> Array:
    result: Array = request.infer([image], share_inputs=True)[0]
    return result


def _ncnn(path: str, shape: tuple[int, ...], threads: int) -> Any:
    """ncnn's network of an ONNX file for images (H, W, C), in float32."""
    import ncnn

    rows, columns, channels = shape
    command = Path(sysconfig.get_path("scripts")) / "pnnx"
    size = f"inputshape=[1,{channels},{rows},{columns}]"
    subprocess.run([command, path, size, "fp16=0"], cwd=Path(path).parent, check=True, capture_output=True)
    network = ncnn.Net()
    network.opt.num_threads = threads
    for half in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(network.opt, f"use_{half}", False)
    network.load_param(path.replace(".onnx", ".ncnn.param"))
    network.load_model(path.replace(".onnx", ".ncnn.bin"))
    return network


def _one_by_one(network: Any, images: Array) -> Array:
    """Results (N, classes) for images (N, C, H, W)."""
    import ncnn

    results = []
    for image in images:
        extractor = network.create_extractor()
        extractor.input("in0", ncnn.Mat(image))
        results.append(np.array(extractor.extract("out0")[1]))
    return np.stack(results)


def measure(case: NetworkCase, batch: int, effort: Effort, threads: int) -> tuple[dict[str, float], float | None]:
    """Milliseconds by name, and the distance of bfloat16's result where there is one. Raises: WrongResult."""
    network, (x, _) = prepared(case), batch_of(case, batch)
    theirs = torch_networks.predictions(network, x, compiled=False)
    screened = medians(interleaved(theirs, SCREENING))
    best = min(screened, key=screened.__getitem__)
    calls: dict[str, Call] = {
        "ours": partial(network.predictor(batch), x),
        PLAIN: lambda: network.predict(x, batch_size=batch),
        "PyTorch": theirs[best],
    }
    calls |= runtimes(network, x, threads, half=_half())
    exact = torch_networks.exact_prediction(network, x)
    reference: Array = theirs["eager NCHW"]().numpy()  # type: ignore[attr-defined]
    error = None
    for name, call in calls.items():
        found: Any = call()
        if name == HALF:
            error = distance(np.array(found), exact)
        elif name != "PyTorch":
            check_rounding(f"{case.name}, {name}", np.array(found), reference, exact, ALLOWED, FLOOR)
    return medians(interleaved(calls, effort)), error


def line(name: str, batch: int, times: Mapping[str, float], error: float | None) -> tuple[str, float]:
    """A row of the table, and its worst ratio in float32."""
    own = {name: time for name, time in times.items() if name in ("ours", PLAIN)}
    rivals = {rival: time for rival, time in times.items() if rival not in (*own, HALF)}
    worst = min(rivals.values()) / times["ours"]
    half = "" if error is None else f" {times[HALF]:13.3f} {error:9.1e}"
    cells = "".join(f" {time:11.3f}" for time in (*own.values(), *rivals.values()))
    return f"{name:16} {batch:5}{cells} {worst:6.2f}{half}", worst


def main(arguments: list[str] | None = None) -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runtimes", description=__doc__)
    parser.add_argument("--case", default="*", help="a pattern of names of networks [*]")
    parser.add_argument("--batch", type=int, action="append", help="images in a prediction [1 and 64]")
    parser.add_argument("--rounds", type=int, default=9)
    chosen = parser.parse_args(arguments)
    threads, effort, ratios = threads_in_use(), Effort(chosen.rounds, 0.1), []
    torch.set_num_threads(threads)
    print(f"{processor()}, {threads} threads; milliseconds")
    names = "".join(f" {name:>11}" for name in ("ours", PLAIN, "PyTorch", *RIVALS))
    print(f"{'network':16} {'batch':>5}{names} {'worst':>6}" + (f" {HALF} {'distance':>9}" if _half() else ""))
    for case in NETWORKS:
        for batch in chosen.batch or (1, 64):
            if fnmatchcase(case.name, chosen.case):
                row, worst = line(case.name, batch, *measure(case, batch, effort, threads))
                ratios.append(worst)
                print(row, flush=True)
    print(
        f"worst: {geometric_mean(ratios):.2f} in the mean, {min(ratios):.2f} at the least" if ratios else "no network"
    )
    return 0


def _half() -> bool:
    return "bfloat16" in processor()


if __name__ == "__main__":
    sys.exit(main())
