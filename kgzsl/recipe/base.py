"""A recipe: one experiment as YAML, checked key by key before anything runs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError

from kgzsl.errors import InputError, nearest
from kgzsl.recipe._complaints import explained
from kgzsl.recipe._text import Marks, apply_overrides, expand_variables, parse_yaml
from kgzsl.recipe.specs import Component, GraphSpec, Named, PriorSpec, Strict, TrainSpec, each_named, sourced

__all__ = ["Recipe"]


class Recipe(Strict):
    """What the recipes of both tasks share. Read one with :meth:`read`; it comes as the class of its task."""

    TASKS: ClassVar[tuple[str, ...]] = ("image_classification", "kg_completion")

    task: str
    dataset: Named
    graph: Annotated[GraphSpec, BeforeValidator(sourced)] | None = None
    priors: Annotated[list[PriorSpec], BeforeValidator(each_named)] = Field(min_length=1)
    generator: Named | None = Component(name="wgan")
    train: TrainSpec = TrainSpec()
    notes: str | None = None

    _file: str | None = PrivateAttr(default=None)
    _marks: Marks = PrivateAttr(default_factory=dict)

    @classmethod
    def read(cls, path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
        """Read a YAML file, apply ``key.key=value`` overrides, expand ``${VARIABLES}`` and check everything.

        Raises:
            InputError: An unreadable file, an unknown key (the nearest known one is given), a bad value, an unknown
                component or one of its options; file and line are named.
        """
        file = Path(path)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a UTF-8 text"
            raise InputError(f"cannot read the recipe: {reason}", file=file, remedy="see examples/recipes") from None
        return cls.parse(text, file=str(file), overrides=overrides)

    @classmethod
    def parse(cls, text: str, *, file: str | None = None, overrides: Sequence[str] = ()) -> Recipe:
        """As :meth:`read`, from a text; ``file`` is for messages and for relative paths."""
        content, marks = parse_yaml(text, file)
        return cls.build(content, file=file, overrides=overrides, marks=marks)

    @classmethod
    def build(
        cls,
        content: dict[str, Any],
        *,
        file: str | None = None,
        overrides: Sequence[str] = (),
        marks: Marks | None = None,
    ) -> Recipe:
        """As :meth:`read`, from plain values."""
        marks = {} if marks is None else marks
        content = apply_overrides(content, overrides, marks)
        content = expand_variables(content, marks=marks, file=file)
        from kgzsl.recipe.completion_recipe import CompletionRecipe
        from kgzsl.recipe.image_recipe import ImageRecipe

        kinds: dict[str, type[Recipe]] = {"image_classification": ImageRecipe, "kg_completion": CompletionRecipe}
        task = content.get("task")
        if task not in kinds:
            close = nearest(str(task), kinds) or list(kinds)
            problem = "the recipe does not say its task" if task is None else f"no task is called {task!r}"
            remedy = f"write task: {' or task: '.join(close)}"
            raise InputError(problem, file=file, place=marks.get(("task",)), remedy=remedy)
        try:
            recipe = kinds[task].model_validate(content)
        except ValidationError as error:
            raise explained(error, kinds[task], file, marks) from None
        recipe._file, recipe._marks = file, marks
        recipe.check_components()
        return recipe

    def where(self, *path: str | int) -> dict[str, str | None]:
        """``file=`` and ``place=`` of the key at ``path``, or of the nearest one around it, for an ``InputError``."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._marks:
                return {"file": self._file, "place": self._marks[path[:length]]}
        return {"file": self._file, "place": ".".join(map(str, path)) or None}

    def find_file(self, source: str, *path: str | int) -> Path:
        """A file or folder that the recipe names: from here, beside the recipe, or among the shipped ontologies.

        Raises:
            InputError: It is in none of these places.
        """
        given = Path(source).expanduser()
        found = given if given.exists() else self.beside(source)
        if found is not None:
            return found.resolve()
        shipped = _shipped(given)
        if shipped is not None:
            return shipped
        raise InputError(
            f"{source!r} does not exist",
            **self.where(*path),
            remedy="give a path from here, from the recipe's folder, or the name of a shipped ontology",
        )

    def beside(self, source: str) -> Path | None:
        """The file or folder that ``source`` is, as a relative path, from the recipe's own folder; None without one."""
        given = Path(source).expanduser()
        if self._file is None or given.is_absolute():
            return None
        found = Path(self._file).parent / given
        return found if found.exists() else None

    def check_components(self) -> None:
        """Check names, options and values of components by their constructors; numbers in text become numbers."""
        from kgzsl import generators, priors

        for number, prior in enumerate(self.priors):
            if prior.name == "file":
                known = {"path", "key", "names"}
                for option in set(prior.options) - known:
                    raise self._unknown(option, known, "the prior 'file'", "priors", number, option)
                if "path" not in prior.options:
                    raise InputError("the prior 'file' needs path:", **self.where("priors", number))
            elif prior.name in priors.encoders.names or ":" in prior.name:
                self.check_component(priors.encoders, prior, "priors", number)
            elif prior.options:
                # Not an encoder, so a prior of the data set: whether it has it is known when the data are there.
                option = next(iter(prior.options))
                raise self._unknown(
                    option, {"name", "normalise", "weight"}, f"the prior {prior.name!r}", "priors", number, option
                )
        if self.generator is not None:
            self.check_component(generators.generators, self.generator, "generator")

    def check_component(self, resolver: Any, component: Component, *path: str | int) -> None:
        """Check one component against its constructor; see :meth:`check_components`."""
        try:
            resolver.find(component.name)
        except InputError as error:
            raise InputError(error.problem, **self.where(*path, "name"), remedy=error.remedy) from None
        for option in component.options:
            try:
                resolver.check(component.name, [option])
                value = resolver.converted(component.name, {option: component.options[option]})
            except InputError as error:
                raise InputError(error.problem, **self.where(*path, option), remedy=error.remedy) from None
            assert component.model_extra is not None
            component.model_extra.update(value)
        self._try_out(resolver, component, *path)

    def _try_out(self, resolver: Any, component: Component, *path: str | int) -> None:
        """Make the component, so that values out of range are told now, with their place, and not after an hour."""
        options = component.options
        try:
            resolver.try_out(component.name, options)
        except InputError as error:
            told = next((option for option in options if re.search(rf"\b{option}\b", error.problem)), None)
            place = self.where(*path, told or "name")
            raise InputError(error.problem, **place, remedy=error.remedy or "correct this value") from None

    def _unknown(self, option: str, known: set[str], owner: str, *path: str | int) -> InputError:
        close = nearest(option, known)
        remedy = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(sorted(known))}"
        return InputError(f"{owner} has no option {option!r}", **self.where(*path), remedy=remedy)

    def to_dict(self) -> dict[str, Any]:
        """Every value, defaults written out, as plain values; what is None is left out, but for the generator.

        No generator at all is a choice of its own, and not what a recipe without the key means.
        """
        found = self.model_dump(mode="json", exclude_none=True)
        found["generator"] = found.get("generator")
        return {key: found[key] for key in type(self).model_fields if key in found}

    def to_yaml(self) -> str:
        """The resolved recipe as YAML that :meth:`parse` reads back to an equal recipe."""
        return str(yaml.safe_dump(self.to_dict(), sort_keys=False, allow_unicode=True, width=120))


def _shipped(path: Path) -> Path | None:
    from kgzsl import datasets

    finder = getattr(datasets, "ontology_path", None)
    if finder is None or path.is_absolute():
        return None
    try:
        found = Path(finder(path.name))
    except (InputError, FileNotFoundError):
        return None
    return found if found.exists() else None
