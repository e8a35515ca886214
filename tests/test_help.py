"""What `help` shows: every public name has words and a signature of its own."""

import inspect
import pydoc
import types

import tinymeta as tm

ROOMS = {
    "tm": tm,
    "tm.nn": tm.nn,
    "tm.nn.init": tm.nn.init,
    "tm.meta": tm.meta,
    "tm.data": tm.data,
    "tm.testing": tm.testing,
    "tm.optim": tm.optim,
    "tm.losses": tm.losses,
    "tm.linalg": tm.linalg,
    "tm.tree": tm.tree,
    "tm.testing.strategies": tm.testing.strategies,
}
OF_PYTHON = {name for kind in (tuple, dict, Exception) for name in dir(kind)}


def listed(room) -> list[str]:
    """The names that a room says are public, or all that its file defines."""
    own = [n for n, x in vars(room).items() if getattr(x, "__module__", None) == room.__name__]
    return getattr(room, "__all__", None) or [n for n in own if not n.startswith("_")]


def public():
    """(dotted name, object, the class it is a member of or None), each object once."""
    seen = set()
    for room_name, room in ROOMS.items():
        for name in listed(room):
            x = getattr(room, name)
            if isinstance(x, (types.ModuleType, dict)) or id(x) in seen:
                continue
            seen.add(id(x))
            yield f"{room_name}.{name}", x, None
            for member in dir(x) if isinstance(x, type) else ():
                if not member.startswith("_") and member not in OF_PYTHON:
                    yield f"{room_name}.{name}.{member}", inspect.getattr_static(x, member), x


def is_a_field(name: str, owner: type | None) -> bool:
    """Of a dataclass or a named tuple: its class tells of it."""
    fields = {*getattr(owner, "_fields", ()), *getattr(owner, "__dataclass_fields__", ())}
    return name.rpartition(".")[2] in fields


PUBLIC = [found for found in public() if not is_a_field(found[0], found[2])]


def own_doc(name: str, x, owner: type | None) -> str:
    """Its own docstring: not that of its class, nor what Python writes for a named tuple."""
    if inspect.ismemberdescriptor(x):
        return owner.__slots__[name.rpartition(".")[2]]
    doc = (vars(x).get("__doc__") if isinstance(x, type) else x.__doc__) or ""
    fields = getattr(x, "_fields", None)
    of_python = doc == type(x).__doc__ or fields and doc == f"{x.__name__}({', '.join(fields)})"
    return "" if of_python else doc.strip()


def test_every_public_name_has_a_sentence_of_its_own():
    docs = {name: own_doc(name, x, owner) for name, x, owner in PUBLIC}
    short = {name: doc for name, doc in docs.items() if len(doc.split()) < 3 or not ends(doc)}
    assert len(docs) > 250 and not short


def ends(doc: str) -> bool:
    """Does a paragraph end as a sentence?"""
    return any(part.rstrip().endswith((".", "?")) for part in doc.split("\n\n"))


def test_every_public_function_has_a_signature_and_tells_of_its_parameters():
    assert not list(filter(None, (fault(*found) for found in PUBLIC)))


def fault(name: str, x, owner: type | None) -> str:
    """What is the matter with how it is called, if anything."""
    x = getattr(x, "__func__", x)
    if not callable(x) or isinstance(x, type) and issubclass(x, Exception):
        return ""
    if not x.__name__.isidentifier():
        return f"{name} calls itself {x.__name__}"
    signature = inspect.signature(x)
    given = [p for p in signature.parameters.values() if p.name not in ("self", "x", "rng")]
    if len(given) > 1 and all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in given):
        return f"{name}{signature} says nothing"
    told = own_doc(name, x, None) + (owner.__doc__ or "" if owner else "")
    told_of = [p.name for p in given if p.name in told]
    return "" if told_of or not given else f"{name}{signature} tells of none of its parameters"


def test_help_of_an_operation_shows_how_it_is_called_and_its_derivative():
    shown = pydoc.plain(pydoc.render_doc(tm.exp))
    assert "exp(a, /) -> Tensor" in shown and "Derivative: exp(a)." in shown
    parameters = [str(p) for p in inspect.signature(tm.Tensor.sum).parameters.values()]
    assert parameters[0].startswith("x") and parameters[2] == "keepdims: bool = False"
    shown = pydoc.plain(pydoc.render_doc(tm.Tensor))
    assert "lambda" not in shown and "The size of each axis" in shown


def test_help_of_an_operation_of_ones_own_shows_its_text(a_new_primitive):
    op = a_new_primitive("a * exp(-b)", (None, None), name="damped")
    assert "damped(a, b, /) -> Tensor" in op.__doc__ and "a * exp(-b)" in op.__doc__
