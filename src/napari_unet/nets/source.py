"""The source of a network as one file that needs nothing but torch, for programs that do not have this package.

Nothing is written anew: the definitions that a network is made of are copied as they stand.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from types import ModuleType

from napari_unet.nets import NETS, head

OWN = "napari_unet"
CALLABLE = "network"
"""The function of the file that builds the network."""
_HEADER = '''"""The network '{kind}' of napari-unet-live {version} (BSD-3-Clause), as far as it is needed.

Copied from the package, without changes, by its export for BioImage.IO.
"""

from __future__ import annotations

from types import SimpleNamespace
{imports}
'''
_FOOTER = '''

def network(net):
    """Build the network from the fields of its spec; it gives probabilities of the classes, which sum to 1."""
    spec = SimpleNamespace(**net)
    built = {name}(spec)
    built.register_forward_hook(lambda _module, _inputs, outputs: probabilities(outputs, spec))
    return built
'''


def source_of(kind: str, version: str) -> str:
    """Give the source file of a kind of network.

    Parameters
    ----------
    kind
        Name of the network.
    version
        Of this package, told in the file's first line.

    Returns
    -------
    str
        Python; its function ``network(net)`` takes the fields of the spec and `outputs`, and gives a module from
        (N, C, [Z,] Y, X), normalised, to probabilities (N, classes, [Z,] Y, X).

    Examples
    --------
    >>> print(source_of("unet", "0.1.0").splitlines()[0])
    \"\"\"The network 'unet' of napari-unet-live 0.1.0 (BSD-3-Clause), as far as it is needed.
    """
    made = NETS[kind].build
    found = _Found()
    found.take(importlib.import_module(made.__module__), made.__name__)
    found.take(head, head.probabilities.__name__)
    start = _HEADER.format(kind=kind, version=version, imports="\n".join(sorted(found.imports)))
    return start + "".join(f"\n\n{text}" for text in found.texts) + _FOOTER.format(name=made.__name__)


class _Found:
    """Definitions and imports that something needs, each after those that it needs itself."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.texts: list[str] = []
        self._homes: dict[str, str] = {}

    def take(self, module: ModuleType, name: str) -> None:
        """Take a name of a module and all that it needs."""
        source = inspect.getsource(module)
        for node in ast.parse(source).body:
            if isinstance(node, ast.ImportFrom | ast.Import):
                self._import(node, name)
            elif name in _defined(node) and self._is_new(name, module):
                for other in _used(node):
                    if other != name:
                        self.take(module, other)
                lines = source.splitlines()
                first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
                self.texts.append("\n".join(lines[first - 1 : node.end_lineno]) + "\n")

    def _is_new(self, name: str, module: ModuleType) -> bool:
        home = self._homes.setdefault(name, module.__name__)
        if home != module.__name__:
            raise ValueError(f"'{name}' means one thing in {home} and another in {module.__name__}: rename one")
        taken = f"{home}.{name}" in self._homes
        self._homes[f"{home}.{name}"] = home
        return not taken

    def _import(self, node: ast.ImportFrom | ast.Import, name: str) -> None:
        for alias in node.names:
            if (alias.asname or alias.name) != name:
                continue
            if isinstance(node, ast.Import):
                self.imports.add(f"import {alias.name}")
            elif (node.module or "").partition(".")[0] == OWN:
                self.take(importlib.import_module(node.module or OWN), alias.name)
            else:
                self.imports.add(f"from {node.module} import {alias.name}")


def _defined(node: ast.stmt) -> list[str]:
    r"""Name what a statement defines.

    Examples
    --------
    >>> [_defined(node) for node in ast.parse("A = 1\nB: int = 2\ndef f(): pass").body]
    [['A'], ['B'], ['f']]
    """
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return [node.name]
        case ast.Assign():
            return [t.id for t in node.targets if isinstance(t, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _used(node: ast.AST) -> Iterator[str]:
    r"""Yield the names that a statement reads when it runs: all but those of annotations.

    Examples
    --------
    >>> list(_used(ast.parse("def f(x: A) -> B:\n    y: C = g(x)\n    return y").body[0]))
    ['g', 'x', 'y']
    """
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _used(child)
