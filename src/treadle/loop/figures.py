"""What is known of a version's speed and size before anybody asks it."""

from __future__ import annotations

from treadle.domain.versions import Compilation
from treadle.evaluation.gates import ServiceFigures


def figures_of(compilation: Compilation) -> ServiceFigures:
    """Size and latency as they were measured when a model was compiled: one row a call, in its runtime."""
    compiled = compilation.runtime == "onnx"
    mean = compilation.onnx_us if compiled else compilation.python_us
    p99 = compilation.onnx_p99_us if compiled else compilation.python_p99_us
    return ServiceFigures(
        latency_p50=None if mean is None else mean / 1e6,
        latency_p99=None if p99 is None else p99 / 1e6,
        size=compilation.size,
    )
