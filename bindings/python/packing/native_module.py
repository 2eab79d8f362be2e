"""Makes the private module `reelkin._native` out of what uniffi-bindgen wrote.

Owns its form: which parts are kept, how its classes behave, its stub. Knows no name of the interface but the two in
`BASES` and the error, so nothing has to be done here when a function or a record is added.

What comes out does the same calls with the same bytes. It differs in what a user sees and in what an import costs:
records share one base class instead of being decorated one by one, variants are classes in CamelCase, annotations
are in the stub alone, and the signature of a native function is set when it is called first.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterator
from pathlib import Path

# Hand-written classes below the generated ones, from `reelkin._record`.
BASES = {"Clip": "PlayableClip"}
# Below every class whose objects live in the native library, from `reelkin._process`.
OBJECT = "ProcessBound"
# Exceptions are hand-written altogether, in `reelkin._errors`.
ERROR = "VideoError"
CONVERTER = "_UniffiFfiConverterType"

IMPORTS = f"""
from reelkin._calls import Functions, deliver_cancellation, wake
from reelkin._errors import {ERROR}
from reelkin._process import {OBJECT}
from reelkin._record import {", ".join(sorted({"Record", "Variant", *BASES.values()}))}
"""


def make(source: str) -> tuple[str, str]:
    """The module and its stub."""
    tree = ast.parse(source)
    variants = {node.name: names for node in tree.body for names in [_variants(node)] if names}
    tree.body = [node for node in tree.body if not _left_out(node)]
    tree = ast.fix_missing_locations(_Names(variants).visit(tree))
    _bind_objects_to_the_process(tree)
    _deliver_cancellation(tree)
    stub = "\n".join(_stub(tree, variants))
    tree.body = list(_lazily_bound(_plain(tree.body, variants)))
    _Bare().visit(tree)
    tree.body[_first_import(tree) : _first_import(tree)] = ast.parse(IMPORTS).body
    _drop_unused_imports(tree)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n", stub + "\n"


def write(source: Path, package: Path) -> None:
    """Reads what was generated, and writes the module into a folder."""
    module, stub = make(source.read_text(encoding="utf-8"))
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(module, encoding="utf-8")
    (package / "__init__.pyi").write_text(stub, encoding="utf-8")


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _decorated(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(by, ast.Name) and by.id == "dataclass" for by in node.decorator_list
    )


def _variants(node: ast.stmt) -> dict[str, str]:
    """The variants of an enum with data, as they are called and as they will be."""
    if not isinstance(node, ast.ClassDef):
        return {}
    return {inner.name: _camel(inner.name) for inner in node.body if _decorated(inner)}  # type: ignore[attr-defined]


def _is_private(name: str) -> bool:
    return name.startswith("_") or name.startswith("uniffi_")


def _left_out(node: ast.stmt) -> bool:
    """Protocols that say every method a second time, checksums that are not looked at, the error's own class."""
    if isinstance(node, ast.ClassDef):
        return node.name.endswith("Protocol") or node.name == ERROR
    if isinstance(node, ast.FunctionDef):
        return node.name == "_uniffi_check_api_checksums"
    if isinstance(node, ast.Delete):
        return ERROR in ast.unparse(node)
    if isinstance(node, ast.Assign):
        target = ast.unparse(node.targets[0])
        # `X.UP = type("X.UP", (X.UP, X), {})`: variants get their base class when they are made.
        tricks = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "type"
        return "_checksum_" in target or ERROR in target or target == "__all__" or tricks
    return False


def _bind_objects_to_the_process(tree: ast.Module) -> None:
    """Every class with a handle of the native library refuses to be copied: the copy would free it a second time."""
    objects = [
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(isinstance(part, ast.FunctionDef) and part.name == "_uniffi_make_instance" for part in node.body)
    ]
    if not objects:
        raise ValueError("the generated module has no objects: its form has changed")
    for node in objects:
        node.bases = [ast.Name(OBJECT, ast.Load())]


def _deliver_cancellation(tree: ast.Module) -> None:
    """Every async call notices that its task was cancelled before it has the native library begin with anything."""
    for node in tree.body:
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "_uniffi_rust_call_async":
            guarded = [part for part in node.body if isinstance(part, ast.Try)]
            if len(guarded) == 1 and guarded[0].finalbody:
                # Inside: what was prepared is freed, too.
                guarded[0].body[:0] = ast.parse("await deliver_cancellation()").body
                return
    raise ValueError("the generated module makes async calls in another way: its form has changed")


class _Names(ast.NodeTransformer):
    """Variants under their new names; questions for a variant as `isinstance`; clear words for a wrong type."""

    def __init__(self, variants: dict[str, dict[str, str]]) -> None:
        self.variants = variants
        self.owner = ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.owner = node.name[len(CONVERTER) :] if node.name.startswith(CONVERTER) else ""
        if node.name in self.variants:
            node.body = [inner for inner in node.body if not _asks_for_a_variant(inner)]
        node.bases = [base for base in node.bases if not ast.unparse(base).endswith("Protocol")]
        self.generic_visit(node)
        for inner in node.body:
            if self.owner and isinstance(inner, ast.FunctionDef) and inner.name == "check_lower":
                self._check_type(inner)
        return node

    def _check_type(self, check: ast.FunctionDef) -> None:
        if self.owner == ERROR or not check.args.args:
            return
        value = check.args.args[-1].arg
        wanted = self.owner
        if re.search(rf"\b{wanted}\b", ast.unparse(check)) is None and not _reads_fields(check, value):
            return
        check.body[:0] = ast.parse(
            f"if not isinstance({value}, {wanted}):\n"
            f"    raise TypeError('a reelkin.{wanted} is wanted, not {{}}'.format(type({value}).__name__))"
        ).body

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.attr in self.variants.get(node.value.id, {}):
            node.attr = self.variants[node.value.id][node.attr]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr.startswith("is_") and self.owner in self.variants:
            variant = self.variants[self.owner][called.attr[3:]]
            return ast.parse(f"isinstance({ast.unparse(called.value)}, {self.owner}.{variant})", mode="eval").body
        if isinstance(called, ast.Attribute) and called.attr == "call_soon_threadsafe":
            node.args.insert(0, called.value)
            node.func = ast.Name("wake", ast.Load())
        return node


def _asks_for_a_variant(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("is_")


def _reads_fields(check: ast.FunctionDef, value: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == value
        for node in ast.walk(check)
    )


def _plain(body: list[ast.stmt], variants: dict[str, dict[str, str]]) -> Iterator[ast.stmt]:
    """Records and variants as classes over the hand-written ones."""
    for node in body:
        if _decorated(node):
            yield _record(node, BASES.get(node.name, "Record"))  # type: ignore[attr-defined]
        elif isinstance(node, ast.ClassDef) and node.name in variants:
            inner = [copy.deepcopy(part) for part in node.body if _decorated(part)]
            node.body = [part for part in node.body if isinstance(part, ast.Expr)] or [ast.Pass()]
            node.bases = [ast.Name("Variant", ast.Load())]
            yield node
            for variant in inner:
                yield from _variant(node.name, variant, variants[node.name])  # type: ignore[arg-type]
        else:
            yield node


def _record(node: ast.ClassDef, base: str) -> ast.ClassDef:
    """Without what the base class does for all: showing and comparing."""
    node.decorator_list = []
    node.bases = [ast.Name(base, ast.Load())]
    kept = []
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name != "__init__":
            continue
        if isinstance(part, ast.FunctionDef):
            _optional_may_be_left_out(part)
        kept.append(part)
    node.body = kept
    return node


def _optional_may_be_left_out(init: ast.FunctionDef) -> None:
    for at, argument in enumerate(init.args.kwonlyargs):
        optional = argument.annotation and ast.unparse(argument.annotation).startswith("typing.Optional")
        if optional and init.args.kw_defaults[at] is None:
            init.args.kw_defaults[at] = ast.Constant(None)


def _variant(owner: str, node: ast.ClassDef, names: dict[str, str]) -> Iterator[ast.stmt]:
    name = names[node.name]
    node = _record(node, owner)
    node.name = temporary = f"_{owner}_{name}"
    node.body.append(ast.parse(f"__qualname__ = '{owner}.{name}'").body[0])
    yield node
    yield from ast.parse(f"{temporary}.__name__ = '{name}'\n{owner}.{name} = {temporary}\ndel {temporary}").body


def _lazily_bound(body: Iterator[ast.stmt]) -> Iterator[ast.stmt]:
    """One table of signatures instead of two statements for each native function."""
    library: ast.Assign | None = None
    signatures: dict[str, dict[str, ast.expr]] = {}
    rest: list[ast.stmt] = []
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id == "_UniffiLib":
            library = node  # type: ignore[assignment]
        elif isinstance(target, ast.Attribute) and ast.unparse(target).startswith("_UniffiLib."):
            function = target.value.attr  # type: ignore[attr-defined]
            signatures.setdefault(function, {})[target.attr] = node.value  # type: ignore[attr-defined]
        elif library is None:
            yield node
        else:
            rest.append(node)
    if library is None:
        raise ValueError("the generated module loads no library: its form has changed")
    entries = ", ".join(
        f"'{name}': lambda: ({ast.unparse(parts['argtypes'])}, {ast.unparse(parts['restype'])})"
        for name, parts in signatures.items()
    )
    yield ast.parse(f"_UniffiLib = Functions({ast.unparse(library.value.func)}, {{{entries}}})").body[0]  # type: ignore[attr-defined]
    yield from rest


class _Bare(ast.NodeTransformer):
    """Without annotations, which are in the stub."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._bare(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._bare(node)

    def _bare(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        for argument in [*node.args.args, *node.args.kwonlyargs]:
            argument.annotation = None
        first, *rest = node.body
        kept = [part for part in rest if not _is_text(part) and not isinstance(part, ast.Pass)]
        node.body = [first, *kept]
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return None


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _first_import(tree: ast.Module) -> int:
    return next(at for at, node in enumerate(tree.body) if isinstance(node, ast.Import))


def _drop_unused_imports(tree: ast.Module) -> None:
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    seen: set[str] = set()
    kept: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) and ast.unparse(node) != "from __future__ import annotations":
            node.names = [name for name in node.names if name.name in used and name.name not in seen]
            seen.update(name.name for name in node.names)
            if not node.names:
                continue
        kept.append(node)
    tree.body = kept


def _stub(tree: ast.Module, variants: dict[str, dict[str, str]]) -> Iterator[str]:
    """What type checkers and editors see."""
    values = _value_types(tree)
    yield "import datetime, decimal, enum, pathlib, typing"
    yield f"from reelkin._errors import Error as {ERROR}"
    yield f"from reelkin._process import {OBJECT}"
    yield f"from reelkin._record import {', '.join(sorted({'Record', 'Variant', *BASES.values()}))}"
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not _is_private(node.name):
            if _decorated(node):
                yield from _record_stub(node, node.name, BASES.get(node.name, "Record"), values)
            elif node.name in variants:
                yield f"class {node.name}(Variant):"
                yield from _docs(node, "    ")
                for inner in node.body:
                    if _decorated(inner):
                        inner = copy.deepcopy(inner)
                        inner.name = variants[node.name][inner.name]  # type: ignore[attr-defined]
                        path = f"{node.name}.{inner.name}"  # type: ignore[attr-defined]
                        yield from _record_stub(inner, path, node.name, values, "    ")  # type: ignore[arg-type]
            elif any(ast.unparse(base) == "enum.Enum" for base in node.bases):
                yield ast.unparse(node)
            else:
                yield from _object_stub(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _is_private(node.name):
            yield from _function_stub(node, "")
        elif isinstance(node, ast.Assign) and _is_alias(node):
            yield ast.unparse(node)


def _is_alias(node: ast.Assign) -> bool:
    target, value = ast.unparse(node.targets[0]), ast.unparse(node.value)
    return not _is_private(target) and re.fullmatch(r"[\w.]+(\[\w+\])?", value) is not None and target[0].isupper()


def _docs(node: ast.AST, indent: str) -> Iterator[str]:
    text = ast.get_docstring(node)  # type: ignore[arg-type]
    if text:
        yield f"{indent}{text!r}"


def _record_stub(node: ast.ClassDef, path: str, base: str, values: dict[str, str], indent: str = "") -> Iterator[str]:
    yield f"{indent}class {node.name}({base}):"
    yield from _docs(node, indent + "    ")
    init = next(part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__")
    _optional_may_be_left_out(init)
    fields = [*init.args.args[1:], *init.args.kwonlyargs]
    about = _field_docs(init)
    if init.args.vararg:
        # UniFFI names the values of such a variant by their places alone.
        yield f"{indent}    value: {values[path]}"
        yield f"{indent}    def __init__(self, value: {values[path]}, /) -> None: ..."
        return
    for field in fields:
        yield f"{indent}    {field.arg}: {ast.unparse(field.annotation)}"  # type: ignore[arg-type]
        if field.arg in about:
            yield f"{indent}    {about[field.arg]!r}"
    yield f"{indent}    def __init__({ast.unparse(init.args).replace('_DEFAULT', '...')}) -> None: ..."
    if fields and not indent:
        changes = ", ".join(f"{field.arg}: {ast.unparse(field.annotation)} = ..." for field in fields)  # type: ignore[arg-type]
        yield f"{indent}    def replace(self, *, {changes}) -> {path}: ..."


# How a value of a generated converter is written as a type.
TYPES = {
    "String": "str",
    "Boolean": "bool",
    "Float64": "float",
    "Float32": "float",
    "Bytes": "bytes",
    "Duration": "Duration",
}


def _type_of(converter: str) -> str:
    name = converter.replace("_UniffiFfiConverter", "")
    for prefix, form in (("Optional", "typing.Optional[{}]"), ("Sequence", "typing.List[{}]"), ("Box", "{}")):
        if name.startswith(prefix):
            return form.format(_type_of(name[len(prefix) :]))
    if name.startswith("Type"):
        return name[len("Type") :]
    return "int" if re.fullmatch(r"U?Int\d+", name) else TYPES[name]


def _value_types(tree: ast.Module) -> dict[str, str]:
    """The types of the values of variants that have one without a name, out of what their converters read."""
    types = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Call) and len(node.value.args) == 1:
            read = node.value.args[0]
            if isinstance(read, ast.Call) and ast.unparse(read.func).endswith(".read"):
                types[ast.unparse(node.value.func)] = _type_of(ast.unparse(read.func)[: -len(".read")])
    return types


def _field_docs(init: ast.FunctionDef) -> dict[str, str]:
    about: dict[str, str] = {}
    field = ""
    for node in init.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            field = node.targets[0].attr
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and field:
            about[field] = " ".join(str(node.value.value).split())
    return about


def _object_stub(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    yield f"class {node.name}({bases}):"
    yield from _docs(node, "    ")
    empty = True
    for part in node.body:
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            own_init = part.name == "__init__" and part.args.vararg is None
            if own_init or not part.name.startswith("_"):
                yield from _function_stub(part, "    ")
                empty = False
    if empty:
        yield "    ..."


def _function_stub(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str) -> Iterator[str]:
    for by in node.decorator_list:
        yield f"{indent}@{ast.unparse(by)}"
    word = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = ast.unparse(node.returns) if node.returns else "None"
    yield f"{indent}{word} {node.name}({ast.unparse(node.args).replace('_DEFAULT', '...')}) -> {returns}:"
    yield from _docs(node, indent + "    ")
    yield f"{indent}    ..."
