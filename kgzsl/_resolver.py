"""Names to classes: one resolver per folder, open to a user's own classes by import path."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast, get_type_hints

from class_resolver import ClassResolver
from class_resolver.utils import normalize_string

from kgzsl.errors import InputError, nearest

__all__ = ["Resolver", "as_type", "type_hints"]

T = TypeVar("T")

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Resolver(Generic[T]):
    """Finds a component by its short name, or by the import path of a user's own class.

    ``Resolver("generator", FeatureGenerator, {"wgan": WGAN})`` answers ``make("wgan", hidden=512)`` and
    ``make("my_package.models:MyGenerator")`` alike. Options are checked against the constructor before the call.

    Args:
        kind: What is being named, for messages: ``"generator"``.
        base: The class (or protocol) that every component follows.
        classes: Short name to class.
        closed: Whether nothing but ``classes`` will do, where what follows depends on which of them it is.
    """

    def __init__(self, kind: str, base: type[Any], classes: Mapping[str, type[T]], *, closed: bool = False) -> None:
        self.kind = kind
        self.base = base
        self.closed = closed
        self.classes = dict(classes)
        # Ours first: class-resolver strips the base's name from a name's end, which would lose some aliases.
        self._short_names = {normalize_string(name): cls for name, cls in self.classes.items()}
        self._resolver: ClassResolver[T] = ClassResolver(list(dict.fromkeys(self.classes.values())), base=base)

    @property
    def names(self) -> list[str]:
        """The known short names, in order."""
        return sorted(self.classes)

    def find(self, name: str) -> type[T]:
        """The class behind ``name``.

        Raises:
            InputError: No component has this name; the nearest known names are given.
        """
        if not isinstance(name, str):
            raise InputError(f"the name of a {self.kind} is {name!r}", remedy=f"choose {', '.join(self.names)}")
        if (":" in name or "." in name) and not self.closed:
            return self._import(name)
        short = self._short_names.get(normalize_string(name))
        if short is not None:
            return short
        try:
            found: type[T] = self._resolver.lookup(name)
        except KeyError:
            close = nearest(name, self.names)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(self.names)}."
            own = "" if self.closed else " A class of your own goes by its import path, package.module:Class"
            raise InputError(f"no {self.kind} is called {name!r}", remedy=f"{hint}{own}") from None
        return found

    def short_name(self, name: str) -> str:
        """The name in ``classes`` of what ``name`` stands for (``WGAN``, ``w-gan``); any other as it is.

        Raises:
            InputError: See :meth:`find`.
        """
        found = self.find(name)
        shorts = [name, *self.names]  # of several names the one that was given
        return next((short for short in shorts if self.classes.get(short) is found), name)

    def make(self, name: str, /, **options: Any) -> T:
        """Build the component ``name`` with ``options``.

        Raises:
            InputError: Unknown name, or an option that its constructor does not take (the nearest one is given).
        """
        cls = self.find(name)
        self.check(name, options)
        return cls(**options)

    def check(self, name: str, options: Iterable[str]) -> None:
        """Refuse options that the constructor of ``name`` does not take."""
        parameters = inspect.signature(self.find(name)).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        for option in options:
            if option not in parameters:
                close = nearest(option, parameters)
                known = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(parameters) or 'no options'}"
                raise InputError(f"the {self.kind} {name!r} has no option {option!r}", remedy=known)

    def try_out(self, name: str, options: Mapping[str, Any]) -> None:
        """Make the component and let it look at its options, so that bad ones are told now, and not after an hour.

        One that needs more than ``options`` is not made: the task itself will give it what it needs.

        Raises:
            InputError: An option that it does not have, or a value that it cannot have.
        """
        needed = inspect.signature(self.find(name)).parameters.values()
        if any(one.default is one.empty and one.kind not in _VARIADIC and one.name not in options for one in needed):
            return
        made: Any = self.make(name, **options)
        if hasattr(made, "check_options"):
            made.check_options()

    def converted(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options as values of the types that the constructor of ``name`` says it takes.

        What a person writes may be text where a number is meant (YAML reads ``1e-4`` as text). Types that cannot be
        checked, those of a constructor without annotations for one, are taken as they come.

        Raises:
            InputError: A value that cannot be of the type of its option.
        """
        hints = type_hints(self.find(name).__init__)
        return {option: as_type(option, value, hints.get(option, Any)) for option, value in options.items()}

    def _import(self, path: str) -> type[T]:
        module_name, _, class_name = path.replace(":", ".").rpartition(".")
        try:
            found = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError(
                f"could not import the {self.kind} {path!r} ({error})",
                remedy="give it as package.module:Class and check that the package is installed",
            ) from error
        if not inspect.isclass(found):
            raise InputError(f"the {self.kind} {path!r} is not a class", remedy="name a class")
        return cast(type[T], found)


def type_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of ``function`` by parameter; none where they cannot be resolved."""
    try:
        return get_type_hints(function)
    except Exception:  # a name that is there for type checkers alone, or a foreign kind of annotation
        return {}


def as_type(option: str, value: Any, hint: Any) -> Any:
    """``value`` as what the annotation ``hint`` of ``option`` says, or as it is where that cannot be checked.

    Raises:
        InputError: It cannot be of that type.
    """
    if isinstance(value, float) and value != value:
        raise InputError(f"{option} is nan", remedy="give a number")
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic.errors import PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:
        return value
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        message = str(error.errors()[0]["msg"])
        raise InputError(
            f"{option} is {value!r}: {message[:1].lower()}{message[1:]}", remedy="correct this value"
        ) from None
