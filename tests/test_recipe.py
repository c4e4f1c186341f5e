"""Recipes: what is read, what is refused, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kgzsl.errors import InputError
from kgzsl.recipe import CompletionRecipe, ImageRecipe, Recipe, apply_overrides
from kgzsl.tasks._data import read_kg

IMAGES = """\
task: image_classification
dataset: flo
priors: [{name: att}]
generator: {name: wgan, hidden: 512}
classifier:
  name: softmax
  samples_per_class: [100, 300]
protocol:
  seeds: 3
"""


def complaint(text: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        Recipe.parse(text, file="my.yaml", overrides=overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_image_recipe_has_its_defaults():
    recipe = Recipe.parse(IMAGES)
    assert isinstance(recipe, ImageRecipe)
    assert recipe.generator is not None
    assert recipe.generator.options == {"hidden": 512}
    assert recipe.classifier.samples_per_class == [100, 300]
    assert recipe.protocol.seed_list == [0, 1, 2]
    assert recipe.protocol.validation == "held-out-classes"
    assert recipe.controls == ["chance", "eszsl", "shuffled"]


def test_names_alone_stand_for_components():
    recipe = Recipe.parse(
        "task: image_classification\ndataset: flo\npriors: att\ngenerator: wgan\nclassifier: softmax\n"
    )
    assert [prior.name for prior in recipe.priors] == ["att"]
    assert recipe.generator is not None
    assert recipe.generator.name == "wgan"


def test_a_completion_recipe_is_its_own_kind():
    recipe = Recipe.parse("task: kg_completion\ndataset: geography\npriors: [attributes]\nprotocol: {seeds: [3, 5]}\n")
    assert isinstance(recipe, CompletionRecipe)
    assert recipe.protocol.seed_list == [3, 5]


def test_the_resolved_recipe_reads_back_equal():
    recipe = Recipe.parse(IMAGES, overrides=["generator.hidden=64", "graph.source=x.ttl"])
    again = Recipe.parse(recipe.to_yaml())
    assert again.to_dict() == recipe.to_dict()
    assert yaml.safe_load(recipe.to_yaml())["protocol"]["seeds"] == 3


@pytest.mark.parametrize(
    ("line", "replacement", "place", "words"),
    [
        ("protocol:", "protocl:", "line 8", "unknown key 'protocl'; did you mean 'protocol'?"),
        ("  seeds: 3", "  seds: 3", "line 9", "unknown key 'seds' in protocol; did you mean 'seeds'?"),
        (
            "dataset: flo",
            "dataset: flo\ngraph: {source: a.ttl, projction: w3c}",
            "line 3",
            "did you mean 'projection'?",
        ),
        ("hidden: 512", "hiden: 512", "line 4", "the generator 'wgan' has no option 'hiden'; did you mean 'hidden'?"),
        ("name: wgan", "name: wgn", "line 4", "no generator is called 'wgn'; did you mean wgan?"),
        ("name: softmax", "name: sofmax", "line 6", "no classifier is called 'sofmax'; did you mean softmax?"),
        ("{name: att}", "{name: transe, dims: 3}", "line 3", "no option 'dims'; did you mean 'dim'?"),
        ("{name: att}", "{name: att, dim: 3}", "line 3", "the prior 'att' has no option 'dim'"),
        ("{name: att}", "{name: file}", "line 3", "needs path"),
        ("  seeds: 3", "  validation: held-out-clases", "line 9", "did you mean 'held-out-classes'?"),
        ("  seeds: 3", "  seeds: many", "line 9", "protocol.seeds is 'many'"),
        ("  seeds: 3", "  seeds: 0", "line 8", "at least one seed"),
        ("[100, 300]", "[0]", "line 5", "at least 1"),
        ("task: image_classification", "task: image_clasification", "line 1", "write task: image_classification"),
        ("dataset: flo", "notes: nothing", "my.yaml", "the key 'dataset' is missing"),
        ("dataset: flo", "dataset: ${KGZSL_NOT_SET}", "line 2", "'KGZSL_NOT_SET' is not set"),
        ("dataset: flo", "dataset: flo\ndataset: flo", "line 3", "given twice"),
        ("dataset: flo", "dataset: [flo", "line 3", "not valid YAML"),
    ],
)
def test_mistakes_are_named_with_file_line_and_remedy(line, replacement, place, words):
    assert line in IMAGES
    message = complaint(IMAGES.replace(line, replacement))
    assert message.startswith("my.yaml")
    assert place in message
    assert words in message


@pytest.mark.parametrize(
    ("line", "replacement", "words"),
    [
        ("hidden: 512", "hidden: big", "line 4: hidden is 'big': input should be a valid integer"),
        ("hidden: 512", "hidden: -3", "line 4: hidden is -3; give a whole number, 1 or more"),
        ("hidden: 512", "lr: fast", "line 4: lr is 'fast': input should be a valid number"),
        ("name: softmax", "name: softmax\n  epochs: -1", "line 7: epochs is -1; give a whole number, 1 or more"),
        ("name: softmax", "name: softmax\n  normalise: l3", "line 7: normalise is 'l3'; choose none, l2"),
        ("name: softmax", "name: eszsl\n  gamma: 0", "line 7: gamma is 0"),
        ("name: softmax", "name: gda\n  covariance: full", "line 7: covariance is 'full'; choose ks"),
        ("name: softmax", "name: nearest-prior\n  metric: manhattan", "line 7: metric is 'manhattan'"),
        ("name: softmax", "name: sae\n  direction: up", "line 7: direction is 'up'"),
        ("name: softmax", "name: conse\n  top: 0", "line 7: top is 0"),
        ("name: softmax", "name: ale\n  normalise: l3", "line 7: normalise is 'l3'"),
        ("name: softmax", "name: softmax\n  real_per_class: 0", "classifier.real_per_class is 0: input should be gr"),
        ("name: softmax", "name: softmax\n  real_per_class: -3", "classifier.real_per_class is -3"),
        ("name: softmax", "name: softmax\n  prior_weight: []", "prior_weight must be a number, or several"),
        ("name: softmax", "name: softmax\n  prior_head: eszsl\n  prior_weight: .nan", "prior_weight must be a number"),
        ("name: softmax", "name: softmax\n  prior_weight: [0, 2]", "weighs the scores of a prior_head, and there is"),
        ("name: softmax", "name: softmax\n  unseen_bias: .nan", "unseen_bias is nan"),
        ("name: softmax", "name: softmax\n  unseen_bias: margins", "should be a number, validation or margin"),
        ("seeds: 3", "seeds: [1, 2, 1]", "a seed is named twice"),
        ("seeds: 3", "hits: [2, 0]", "is 0: input should be greater than or equal to 1"),
        ("seeds: 3", "trials: 3", "and there is no search"),
        ("seeds: 3", "search: {generator.name: [wgan, linear]}", "a search is over options of one generator; compare"),
        ("seeds: 3", "search: {classifier.name: [gda, softmax]}", "a search is over options of one classifier"),
        ("{name: att}", "{name: transe, dim: x}", "line 3: dim is 'x'"),
        ("{name: att}", "{name: transe, dim: -2}", "line 3: dim=-2 is less than 1"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_anything_runs(line, replacement, words):
    assert line in IMAGES
    assert words in complaint(IMAGES.replace(line, replacement))


@pytest.mark.parametrize(
    ("option", "words"),
    [("dimm: 3", "no option 'dimm'; did you mean 'dim'?"), ("dim: 0", "pairs.dim is 0"), ("lr: x", "lr is 'x'")],
)
def test_options_of_pairs_are_checked_too(option, words):
    text = f"task: kg_completion\ndataset: x\npriors: [attributes]\npairs:\n  {option}\n"
    message = complaint(text)
    assert message.startswith("my.yaml, line 5")
    assert words in message


@pytest.mark.parametrize(
    ("key", "told", "name"),
    [("unseen_relations", "[a, 010]", "8"), ("valid_relations", "3", "3"), ("relations", "[no, null]", "False")],
)
def test_names_of_relations_are_texts(key, told, name):
    text = f"task: kg_completion\npriors: [attributes]\ndataset:\n  name: x\n  {key}: {told}\n"
    assert complaint(text) == f"my.yaml, line 5: {key} has {name}, which is no text; put the name in quotes"
    assert Recipe.parse(text.replace(told, "['3', a]")).dataset.options == {key: ["3", "a"]}
    Recipe.parse(text.replace(told, "null"))


def test_numbers_that_yaml_reads_as_text_are_numbers():
    recipe = Recipe.parse(IMAGES.replace("hidden: 512", "lr: 1e-4, betas: [0.5, 9e-1]"))
    assert recipe.generator is not None
    assert recipe.generator.options == {"lr": 0.0001, "betas": (0.5, 0.9)}
    assert Recipe.parse(recipe.to_yaml()).to_dict() == recipe.to_dict()


def test_an_empty_file_and_a_list_are_no_recipes():
    assert "empty" in complaint("")
    assert "mapping" in complaint("- a\n- b\n")


def test_a_task_must_be_said():
    assert "does not say its task" in complaint("dataset: flo\n")


def test_keys_of_the_other_task_are_unknown():
    assert "unknown key 'answer'" in complaint("task: kg_completion\ndataset: x\npriors: att\nanswer: best\n")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"nothing\.yaml.*cannot read the recipe"):
        Recipe.read(tmp_path / "nothing.yaml")


def test_a_mistake_in_an_override_names_the_override():
    message = complaint(IMAGES, "generator.hiden=3")
    assert "--set generator.hiden=3" in message
    assert "did you mean 'hidden'" in message
    assert "--set protocol.seds=3" in complaint(IMAGES, "protocol.seds=3")


def test_overrides_reach_nested_keys_lists_and_bare_names():
    content = {"generator": "wgan", "priors": ["att", {"name": "transe", "dim": 5}], "seeds": 3}
    changed = apply_overrides(
        content,
        ["generator.hidden=512", "priors.transe.dim=7", "priors.0.normalise=l2", "new.key=[1, 2]", "seeds=null"],
    )
    assert changed == {
        "generator": {"name": "wgan", "hidden": 512},
        "priors": [{"name": "att", "normalise": "l2"}, {"name": "transe", "dim": 7}],
        "new": {"key": [1, 2]},
        "seeds": None,
    }
    assert content["generator"] == "wgan"  # the original is left alone


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("generator.hidden", "key.key=value"),
        (".a=1", "key.key=value"),
        ("a=[1", "not valid YAML"),
        ("priors.trnse.dim=3", "did you mean 'transe'"),
        ("seeds.x=3", "has no parts"),
    ],
)
def test_broken_overrides_are_refused(setting, words):
    with pytest.raises(InputError, match="--set") as caught:
        apply_overrides({"priors": [{"name": "transe"}], "seeds": 3}, [setting])
    assert words in str(caught.value)


keys = st.text("abc", min_size=1, max_size=3)
values = st.one_of(st.integers(-9, 9), st.booleans(), st.none(), st.text("xyz", min_size=1, max_size=4))


@given(st.dictionaries(keys, st.dictionaries(keys, values, max_size=3), max_size=3), keys, keys, values)
def test_an_override_sets_its_key_and_nothing_else(content, outer, inner, value):
    changed = apply_overrides(content, [f"{outer}.{inner}={yaml.safe_dump(value).splitlines()[0]}"])
    assert changed[outer][inner] == value
    expected = {key: dict(part) for key, part in content.items()}
    expected.setdefault(outer, {})[inner] = value
    assert changed == expected


def test_variables_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("KGZSL_DATA", "/somewhere")
    recipe = Recipe.parse(IMAGES.replace("dataset: flo", "dataset: ${KGZSL_DATA}/images/flo.npz"))
    assert recipe.dataset.name == "/somewhere/images/flo.npz"


def test_files_are_found_beside_the_recipe(tmp_path: Path):
    (tmp_path / "my.ttl").write_text("")
    (tmp_path / "my.yaml").write_text(IMAGES + "graph: my.ttl\n")
    recipe = Recipe.read(tmp_path / "my.yaml")
    assert recipe.graph is not None
    assert recipe.find_file(recipe.graph.source) == (tmp_path / "my.ttl").resolve()
    with pytest.raises(InputError, match=r"my\.yaml, line 10: 'other.ttl' does not exist"):
        recipe.find_file("other.ttl", "graph", "source")


def test_data_lie_here_or_beside_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    for folder, relation in ((there, "beside"), (here, "here")):
        folder.mkdir()
        (folder / "facts.tsv").write_text(f"a\t{relation}\tb\nb\tother\ta\n")
    (there / "recipe.yaml").write_text(
        "{task: kg_completion, dataset: {name: facts.tsv, unseen_relations: [other]}, ranker: {name: embedding}}"
    )
    recipe = Recipe.read(there / "recipe.yaml")
    monkeypatch.chdir(tmp_path)
    assert "beside" in read_kg(recipe).relations
    monkeypatch.chdir(here)
    assert "here" in read_kg(recipe).relations
    (there / "facts.tsv").unlink()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="neither a known data set nor a file"):
        read_kg(recipe)


def test_the_shipped_recipes_are_valid():
    folder = Path(__file__).parents[1] / "examples" / "recipes"
    files = sorted(folder.glob("*.yaml"))
    assert {"awa1.yaml", "flowers.yaml", "latin_characters.yaml"} <= {file.name for file in files}
    looking = set()
    for file in files:
        recipe = Recipe.read(file)
        assert recipe.priors or recipe.ordinary
        if getattr(recipe, "setting", "") == "transductive":
            looking.add(file.stem)
            assert "TRANSDUCTIVE" in file.read_text(encoding="utf-8").partition("\n")[0]
    assert looking == {"awa1_cascade"}


def test_where_falls_back_to_the_key_around():
    recipe = Recipe.parse(IMAGES, file="my.yaml")
    assert recipe.where("classifier", "unseen_bias") == {"file": "my.yaml", "place": "line 5"}


TRANSDUCTIVE = "task: image_classification\ndataset: flo\npriors: [att]\ngenerator: linear\nclassifier: cascade\n"


@pytest.mark.parametrize("classifier", ["cascade", "self-training", "multi-view"])
def test_a_classifier_that_looks_needs_the_door_open(classifier: str) -> None:
    text = TRANSDUCTIVE.replace("cascade", classifier)
    with pytest.raises(InputError, match=rf"line 5.*{classifier}.*unlabelled data.*write unlabeled: test"):
        Recipe.parse(text)
    recipe = Recipe.parse(text + "unlabeled: test\n")
    assert isinstance(recipe, ImageRecipe)
    assert recipe.setting == "transductive"
    assert Recipe.parse(recipe.to_yaml()).to_dict() == recipe.to_dict()


@pytest.mark.parametrize(
    ("given", "is_test", "known"),
    [
        ("test", True, True),
        ("{source: test, kind: unknown}", True, False),
        ("more.npy", False, False),
        ("{source: more.npz, kind: known, key: x}", False, True),
        ("./test", False, False),
    ],
)
def test_what_comes_through_the_door(given: str, is_test: bool, known: bool) -> None:
    spec = Recipe.parse(f"{TRANSDUCTIVE}unlabeled: {given}\n").unlabeled  # type: ignore[attr-defined]
    assert (spec.is_test, spec.kind_known) == (is_test, known)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["classifier=softmax"], "line 6.*nothing looks.*'linear' nor the classifier 'softmax'"),
        (["classifier=softmax", "generator=null"], "without a generator"),
        (["answer=best"], "ESZSL does not"),
        (["classifier.gate=cosmo"], "behind a gate.*unlabeled: {source: test, kind: unknown}"),
        (["classifier.ratio=1.5"], "ratio is 1.5"),
        (["classifier.head=analytic"], "'analytic' gives no probabilities"),
        (["classifier.head=sofmax"], "did you mean softmax"),
        (["classifier={name: softmax, prior_head: multi-view}"], "prior head 'multi-view' looks"),
        (["unlabeled={source: test, key: x}"], "test rows have no key"),
        (["unlabeled={source: test, labels: y}"], "unknown key 'labels' in unlabeled"),
        (["unlabeled={source: test, kind: told}"], "unlabeled.kind is 'told'"),
        (["classifier={name: multi-view, alpha: 1.0}"], "alpha is 1.0"),
        (["classifier={name: self-training, rounds: 0}"], "rounds is 0; give a whole number, 1 or more"),
    ],
)
def test_a_door_that_makes_no_sense_is_refused(changes: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Recipe.parse(TRANSDUCTIVE + "unlabeled: test\n", overrides=changes)


def test_generators_with_a_second_critic_may_look_and_need_not() -> None:
    text = TRANSDUCTIVE.replace("linear", "tf-vaegan").replace("cascade", "softmax")
    assert Recipe.parse(text).setting == "inductive"  # type: ignore[attr-defined]
    gated = Recipe.parse(text + "unlabeled: test\n", overrides=["classifier.gate=auto"])
    assert gated.setting == "transductive"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("spelt", "name", "priors"),
    [
        ("link-overlap", "link_overlap", "priors: text"),
        ("LinkOverlap", "link_overlap", "priors: text"),
        ("Evidence", "evidence", "priors: text"),
        ("RMPI", "rmpi", "priors: text"),
        ("Embedding", "embedding", ""),
    ],
)
def test_a_ranker_has_one_name_however_it_is_spelt(spelt, name, priors):
    """Else another one would be trained under its name."""
    recipe = Recipe.parse(f"task: kg_completion\ndataset: nell_zs\nranker: {spelt}\n{priors}\n")
    assert isinstance(recipe, CompletionRecipe)
    assert recipe.ranker is not None
    assert recipe.ranker.name == name
    assert recipe.to_dict()["ranker"]["name"] == name


def test_a_ranker_of_ones_own_is_refused_rather_than_another_one_trained():
    text = "task: kg_completion\ndataset: nell_zs\npriors: text\nranker: '{}'\n"
    path = "kgzsl.tasks.kg_completion.link_overlap_completer:LinkOverlapCompleter"
    assert f"no ranker is called '{path}'; known: embedding, evidence" in complaint(text.format(path))
    assert complaint(text.format("evidenec")).endswith("did you mean evidence?")
