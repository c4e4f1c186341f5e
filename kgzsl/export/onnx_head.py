"""A linear head as an ONNX file."""

from __future__ import annotations

import json
from pathlib import Path

import kgzsl
from kgzsl._files import atomic_file
from kgzsl.errors import InputError
from kgzsl.export.linear_head import LinearHead

__all__ = ["write_onnx"]

_OPSET = 13


def write_onnx(head: LinearHead, out: Path) -> None:
    """Write a graph with the input ``features`` [N, D] and the outputs ``scores`` and ``probabilities`` [N, C].

    The names of the classes, and which of them were seen, are JSON in the model's metadata (``classes``, ``seen``).

    Raises:
        InputError: The package ``onnx`` is not installed, or ``out`` cannot be written.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper
    except ImportError:
        raise InputError("the package onnx is not installed", remedy="pip install 'kgzsl[onnx]'") from None
    nodes = []
    rows = "features"
    if head.unit:
        nodes.append(helper.make_node("LpNormalization", ["features"], ["unit"], axis=1, p=2))
        rows = "unit"
    nodes.append(helper.make_node("Gemm", [rows, "weight", "bias"], ["scores"], transB=1))
    nodes.append(helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1))
    count, dim = head.weight.shape
    graph = helper.make_graph(
        nodes,
        "kgzsl",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", dim])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", count]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", count]),
        ],
        [numpy_helper.from_array(head.weight, "weight"), numpy_helper.from_array(head.bias, "bias")],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        producer_name="kgzsl",
        producer_version=kgzsl.__version__,
    )
    model.ir_version = 8  # what runtimes of the last years read
    helper.set_model_props(
        model, {"classes": json.dumps(list(head.classes), ensure_ascii=False), "seen": json.dumps(list(head.seen))}
    )
    checker.check_model(model)
    with atomic_file(out) as temporary:
        temporary.write_bytes(model.SerializeToString())
