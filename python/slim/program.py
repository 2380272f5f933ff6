"""What an exported model is made of: its operators, its parameters, what they cost.

Reads and writes model.pdmodel and model.pdiparams without running them. `tidy` is what becomes of a
program that PaddleSlim has quantised: the same operators, at the places where int8 is of use, in an
order that does not depend on the run.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from paddle.base import core
from paddle.base.proto import framework_pb2

from paddle_training import parameters
from paddle_training.export import PARAMETERS, PROGRAM, ModelError, is_quantised

# The operators that oneDNN runs in int8, and the inputs that are quantised for them.
INT8_OPERATORS = {
    "conv2d": ("Input", "Filter"),
    "depthwise_conv2d": ("Input", "Filter"),
    "matmul": ("X", "Y"),
    "matmul_v2": ("X", "Y"),
    "mul": ("X", "Y"),
}
_TURNED = ("trans_y", "transpose_Y")  # says that a product's second matrix is transposed


@dataclass
class Model:
    """A program and its parameters by name, as the two files hold them."""

    program: Any  # framework_pb2.ProgramDesc
    parameters: dict[str, NDArray[Any]]

    @classmethod
    def load(cls, directory: Path) -> Model:
        """Raises ModelError when a file is missing, or the two are not from one export."""
        return cls(*parameters.load(directory))

    def save(self, directory: Path) -> None:
        """Writes the parameters that the program still names."""
        data = parameters.serialised(self.parameters[n] for n in parameters.names(self.program))
        (directory / PROGRAM).write_bytes(self.program.SerializeToString(deterministic=True))
        (directory / PARAMETERS).write_bytes(data)
        # Paddle's pickle about the parameters, which would be of those before.
        (directory / f"{PARAMETERS}.info").unlink(missing_ok=True)

    @property
    def parameter_bytes(self) -> int:
        """Of the elements alone, without the file's descriptions of them."""
        return sum(self.parameters[name].nbytes for name in parameters.names(self.program))

    @property
    def inputs(self) -> dict[str, list[int]]:
        """Shapes by name; -1 is a dimension that varies."""
        block = self.program.blocks[0]
        fed = {_argument(o.outputs, "Out") for o in block.ops if o.type == "feed"}
        variables = [v for v in block.vars if v.name in fed]
        return {v.name: list(v.type.lod_tensor.tensor.dims) for v in variables}

    @property
    def quantised(self) -> bool:
        """Whether it is to run in int8."""
        return is_quantised(self.program)

    def flop(self, shapes: Sequence[Sequence[int]]) -> int:
        """Floating point (or int8) operations of the convolutions and matrix products.

        Two for each product that is added up; all else (normalisation, activations, biases) is left
        out.

        Args:
            shapes: of the inputs, in their order.
        """
        program = core.ProgramDesc(self.program.SerializeToString())
        block = program.block(0)  # belongs to program, which must live as long

        def variable(name: str) -> Any:
            return block.find_var(name.encode())

        operators = [block.op(i) for i in range(block.op_size())]
        fed = sorted((o.attr("col"), o.output("Out")[0]) for o in operators if o.type() == "feed")
        for (_, name), shape in zip(fed, shapes, strict=True):
            variable(name).set_shape(list(shape))
        total = 0
        for operator in operators:
            if operator.type() in ("feed", "fetch"):
                continue
            operator.infer_shape(block)
            if operator.type() not in INT8_OPERATORS:
                continue
            weight = variable(operator.input(INT8_OPERATORS[operator.type()][1])[0]).shape()
            out = variable(operator.output_arg_names()[0]).shape()
            # A filter is [out, in / groups, height, width], a matrix [..., in, out], or turned.
            if "conv2d" in operator.type():
                products = int(np.prod(weight[1:]))
            else:
                turned = any(operator.has_attr(a) and operator.attr(a) for a in _TURNED)
                products = weight[-1 if turned else -2]
            total += 2 * int(np.prod(out)) * products
        return total


def tidy(model: Model, outputs: Iterable[str]) -> None:
    """Makes of what PaddleSlim writes the program that runs.

    - Quantisation stays where an int8 operator reads a tensor, and goes elsewhere: around a
      normalisation or a bias it costs time and accuracy, and stops oneDNN from fusing a bias.
    - The operators that only copy the result to Paddle's own name for it go too, and the outputs
      get the given names.
    - Operators and variables come in one order: PaddleSlim leaves that of a hash table.
    """
    if len(model.program.blocks) > 1:
        raise ModelError("the program has control flow, of which slimming knows nothing")
    block = model.program.blocks[0]
    _drop_useless_quantisation(block)
    _drop_copies_at_the_end(block)
    _rename_outputs(block, list(outputs))
    _sort_operators(block)
    used = {a for o in block.ops for slot in (*o.inputs, *o.outputs) for a in slot.arguments}
    kept = sorted((v for v in block.vars if v.name in used), key=lambda v: str(v.name))
    del block.vars[:]
    block.vars.extend(kept)


def _drop_useless_quantisation(block: Any) -> None:
    """Takes out the pairs quantize_linear, dequantize_linear that no int8 operator reads."""
    useful = {
        name
        for operator in block.ops
        for slot in operator.inputs
        if slot.parameter in INT8_OPERATORS.get(operator.type, ())
        for name in slot.arguments
    }
    quantised = {
        _argument(o.outputs, "Y"): _argument(o.inputs, "X")
        for o in block.ops
        if o.type == "quantize_linear"
    }
    dequantised = {
        _argument(o.outputs, "Y"): quantised[_argument(o.inputs, "X")]
        for o in block.ops
        if o.type == "dequantize_linear" and _argument(o.inputs, "X") in quantised
    }

    def itself(name: str) -> str:
        while name in dequantised:
            name = dequantised[name]
        return name

    # Who reads a quantised tensor for another reason reads the tensor itself.
    for operator in block.ops:
        for slot in operator.inputs:
            if slot.parameter not in INT8_OPERATORS.get(operator.type, ()):
                if operator.type == "dequantize_linear":
                    continue
                slot.arguments[:] = [itself(a) for a in slot.arguments]
    needed = {
        _argument(o.inputs, "X")
        for o in block.ops
        if o.type == "dequantize_linear" and _argument(o.outputs, "Y") in useful
    }
    kept = [
        operator
        for operator in block.ops
        if not (
            (operator.type == "quantize_linear" and _argument(operator.outputs, "Y") not in needed)
            or (
                operator.type == "dequantize_linear"
                and _argument(operator.outputs, "Y") not in useful
            )
        )
    ]
    _keep(block, kept)


def _drop_copies_at_the_end(block: Any) -> None:
    """Lets fetch read what the operators scale(1, 0) copy, which each saving of a program adds."""
    dropped = set()
    for fetch in [o for o in block.ops if o.type == "fetch"]:
        source = fetch.inputs[0]
        for index in reversed(range(len(block.ops))):
            operator = block.ops[index]
            if not _writes(operator, source.arguments[0]) or operator.type == "fetch":
                continue
            values = {a.name: a.f for a in operator.attrs}
            if operator.type != "scale" or (values["scale"], values["bias"]) != (1, 0):
                break
            source.arguments[0] = _argument(operator.inputs, "X")  # the same name, done in place
            dropped.add(index)
    _keep(block, [o for i, o in enumerate(block.ops) if i not in dropped])


def _rename_outputs(block: Any, names: list[str]) -> None:
    fetched = {}
    for operator in block.ops:
        if operator.type == "fetch":
            fetched[next(a.i for a in operator.attrs if a.name == "col")] = operator.inputs[0]
    new = {
        slot.arguments[0]: name
        for (_, slot), name in zip(sorted(fetched.items()), names, strict=True)
    }
    # Whatever had such a name (a copy that was dropped) is used no more.
    unused = [v for v in block.vars if v.name not in names]
    del block.vars[:]
    block.vars.extend(unused)
    for variable in block.vars:
        variable.name = new.get(variable.name, variable.name)
    for operator in block.ops:
        for slot in (*operator.inputs, *operator.outputs):
            slot.arguments[:] = [new.get(a, a) for a in slot.arguments]


def _sort_operators(block: Any) -> None:
    """Each as soon as what it reads is there; among those, by the name of what it writes."""
    writer: dict[str, int] = {}
    for index, operator in enumerate(block.ops):
        for slot in operator.outputs:
            for name in slot.arguments:
                if operator.type != "fetch" and writer.setdefault(name, index) != index:
                    raise ModelError(f"{name} is written twice: its operators have no other order")
    waiting = []
    readers: dict[int, list[int]] = {}
    for index, operator in enumerate(block.ops):
        before = {writer[a] for s in operator.inputs for a in s.arguments if a in writer} - {index}
        waiting.append(len(before))
        for earlier in before:
            readers.setdefault(earlier, []).append(index)
    # feed first and fetch last, as every exported program has them.
    place = {"feed": 0, "fetch": 2}

    def key(index: int) -> tuple[int, str, int]:
        operator = block.ops[index]
        column = next((a.i for a in operator.attrs if a.name == "col"), 0)
        written = min((a for s in operator.outputs for a in s.arguments), default="")
        return place.get(operator.type, 1), "" if operator.type in place else written, column

    ready = [(key(index), index) for index, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, index = heapq.heappop(ready)
        order.append(block.ops[index])
        for reader in readers.get(index, []):
            waiting[reader] -= 1
            if waiting[reader] == 0:
                heapq.heappush(ready, (key(reader), reader))
    _keep(block, order)


def _keep(block: Any, operators: Iterable[Any]) -> None:
    kept = [framework_pb2.OpDesc.FromString(o.SerializeToString()) for o in operators]
    del block.ops[:]
    block.ops.extend(kept)


def _writes(operator: Any, name: str) -> bool:
    return any(name in slot.arguments for slot in operator.outputs)


def _argument(slots: Iterable[Any], parameter: str) -> str:
    return str(next(s.arguments[0] for s in slots if s.parameter == parameter))
