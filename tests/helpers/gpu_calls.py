"""The names of TensorRT, pycuda and cuda-bindings that edgeseg uses, read from its source.

python tests/helpers/gpu_calls.py writes them into docs/cuda-calls.md.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cuda-calls.md"

RUNNER, ENGINE = "runtime/segrun/runners/tensorrt", "export/segexport/engine"

# Which class of a library an expression is of, module by module; "" is the library itself.
TENSORRT = {
    f"{RUNNER}/library.py": {"trt": "", "self.module": "", "severity": "ILogger.Severity"},
    f"{RUNNER}/engine.py": {
        "self._trt": "", "library.module": "", "self._engine": "ICudaEngine", "self._runtime": "Runtime",
        "self._kernels": "IRuntimeCache", "config": "IRuntimeConfig", "self._context": "IExecutionContext",
        "self._engine.create_runtime_config()": "IRuntimeConfig", "self._engine.get_tensor_dtype(name)": "DataType",
    },
    f"{ENGINE}/build_progress.py": {"trt": ""},
    f"{ENGINE}/settings.py": {"trt": "", "library.module": "", "config": "IBuilderConfig", "cache": "ITimingCache"},
    f"{ENGINE}/to_engine.py": {
        "trt": "", "builder": "Builder", "network": "INetworkDefinition", "parser": "OnnxParser",
        "error": "ParserError", "config": "IBuilderConfig",
    },
}  # fmt: skip
PYCUDA = {
    f"{RUNNER}/driver.py": {"driver": "", "device": "Device"},
    f"{RUNNER}/device.py": {
        "driver": "", "self._driver": "", "device": "Device", "context": "Context", "self._context": "Context",
        "allocation": "DeviceAllocation", "array.base": "PagelockedHostAllocation",
    },
    f"{RUNNER}/stream.py": {"driver": "", "self._driver": "", "self._stream": "Stream", "self._done": "Event"},
    "benchmarks/segbench/preflight/gpu.py": {"driver": ""},
}  # fmt: skip
BINDINGS = {
    f"{RUNNER}/bindings.py": {
        "bindings": "", "self._bindings": "", "self.driver._bindings": "", "attributes": "CUdevice_attribute",
        "flags": "CUevent_flags",
    },
    f"{RUNNER}/slot.py": {"bindings": "", "self._bindings": ""},
}  # fmt: skip
LIBRARIES = {"TensorRT and TensorRT-RTX": TENSORRT, "pycuda.driver": PYCUDA, "cuda.bindings.driver": BINDINGS}

# What is annotated as untyped and is no object of these libraries.
OTHERS = {"logger", "self._logger", "bindings", "driver", "arguments", "context", "self._config", "memory", "handle"}

RTX_ALONE = ("ComputeCapability", "CudaGraphStrategy", "IRuntimeCache", "IRuntimeConfig")
"""What begins like these is in TensorRT-RTX alone, or used of it alone."""
_RTX_SETTINGS = {"IBuilderConfig.num_compute_capabilities", "IBuilderConfig.set_compute_capability"}

# Of our loggers and monitors, of enums in Python, and of a text that has the name of a driver.
_OURS = {"take_problems", "take_errors", "stream", "__init__", "__members__", "strip"}


@dataclass(frozen=True)
class Use:
    """A name of a library, such as `Builder.create_network`, in a module; how many arguments it is called with."""

    name: str
    module: str
    arguments: int | None


def uses(library: str) -> list[Use]:
    """Return every use, in the order of modules and lines."""
    found = []
    for module, classes in LIBRARIES[library].items():
        tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
        calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr not in _OURS:
                owner = _class_of(ast.unparse(node.value), classes)
                if owner is not None:
                    name = f"{owner}.{node.attr}" if owner else node.attr
                    found.append(Use(name, module, _count(calls.get(id(node)))))
            elif isinstance(node, ast.ClassDef):
                found += _overridden(node, module, classes)
            elif library == "cuda.bindings.driver":
                found += _named(node, module)
    return found


def untyped(library: str) -> set[tuple[str, str]]:
    """Return each module and name annotated as Any there: the objects of the library are among them."""
    found = set()
    for module in LIBRARIES[library]:
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.arg) and node.annotation and "Any" in ast.unparse(node.annotation):
                found.add((module, node.arg))
            elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "Any":
                found.add((module, ast.unparse(node.target)))
    return found


def is_of_rtx_alone(name: str) -> bool:
    """Return whether a name is used only with TensorRT-RTX."""
    return name.startswith(RTX_ALONE) or name in _RTX_SETTINGS or name == "ICudaEngine.create_runtime_config"


def tables() -> str:
    """Return the tables of the page, a section a library."""
    parts = []
    for library in LIBRARIES:
        modules: dict[str, list[str]] = {}
        for use in sorted(uses(library), key=lambda use: use.name.lower()):
            modules.setdefault(use.name, []).append(Path(use.module).stem)
        lines = [f"### {library}", "", "| name | used in |", "| --- | --- |"]
        for name, where in modules.items():
            rtx = " (TensorRT-RTX)" if library.startswith("TensorRT") and is_of_rtx_alone(name) else ""
            lines.append(f"| `{name}`{rtx} | {', '.join(f'`{each}`' for each in dict.fromkeys(where))} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def arities(doc: str, name: str) -> list[tuple[int, int]]:
    """Return how many arguments each signature in a docstring of a compiled library takes at least and at most."""
    found = []
    for line in doc.splitlines():
        signature = re.match(rf"(?:\d+\. )?{name}\((.*)\)(?: ->.*)?$", line.strip())
        if signature and not signature[1].startswith("*args"):
            given = [each for each in _split(signature[1]) if not each.startswith("self")]
            found.append((sum("=" not in each for each in given), len(given)))
    return found


def page_with(text: str, made: str) -> str:
    """Return the page with `made` under its last heading."""
    head, heading, _ = text.partition("## The names\n")
    return f"{head}{heading}\n{made}"


def _split(parameters: str) -> list[str]:
    """Split at commas outside brackets."""
    depth, parts = 0, [""]
    for letter in parameters:
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip() not in ("", "/", "*")]


def _class_of(expression: str, classes: dict[str, str]) -> str | None:
    if expression in classes:
        return classes[expression]
    for root in (root for root, owner in classes.items() if owner == ""):
        if re.fullmatch(rf"{re.escape(root)}(\.[A-Za-z_]+)+", expression):
            rest = expression.removeprefix(f"{root}.")
            return None if rest.split(".")[-1] in _OURS else rest
    return None


def _count(call: ast.Call | None) -> int | None:
    if call is None or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    return len(call.args) + len(call.keywords)


def _overridden(node: ast.ClassDef, module: str, classes: dict[str, str]) -> Iterator[Use]:
    for base in node.bases:
        owner, _, name = ast.unparse(base).rpartition(".")
        if owner in classes:
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name not in _OURS)
            yield from (Use(f"{name}.{each.name}", module, len(each.args.args) - 1) for each in methods)


def _named(node: ast.AST, module: str) -> Iterator[Use]:
    """Functions of CUDA are called by their names, through `call`."""
    if isinstance(node, ast.Call):
        through_call = ast.unparse(node.func).endswith("call")
        for index, each in enumerate(node.args):
            if name := _function(each):
                yield Use(name, module, _rest(node, index) if through_call else None)
    elif isinstance(node, ast.Assign) and (name := _function(node.value)):
        yield Use(name, module, 1)  # what frees a handle


def _rest(call: ast.Call, index: int) -> int | None:
    count = _count(call)
    return None if count is None else count - index - 1


def _function(node: ast.AST) -> str | None:
    """Return the name of a function of CUDA, if that is what a text is."""
    named = isinstance(node, ast.Constant) and re.fullmatch(r"cu[A-Z]\w+", str(node.value))
    return named[0] if named else None


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")
