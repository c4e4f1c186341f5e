"""RunResult: summaries over seeds, the table, verdicts."""

from __future__ import annotations

import json
import math

import pytest

from kgzsl.tasks.result import ResultRow, RunResult, format_value, judge, summarise_seeds


def one_seed(seed: int, top1: float, chance: float = 5.0) -> RunResult:
    return RunResult(
        task="image_classification",
        dataset="toy",
        per_seed=[{"seed": seed, "zsl.top1": top1, "control.chance.zsl.top1": chance}],
        rows=[
            ResultRow("wgan", "method"),
            ResultRow("chance", "control", prefix="control.chance.", note="exact"),
        ],
        columns=["zsl.top1", "gzsl.harmonic"],
        headlines=["zsl.top1"],
        history=[{"seed": seed, "epoch": 0}],
        predictions={"seed": [seed], "label": ["a"]},
        seconds={"fit": 1.5},
        peak_memory_mb=100.0 + seed,
        seen=["a"],
        unseen=["b", "c"],
    )


def test_summary_is_mean_and_sample_deviation_by_hand():
    # values 1, 2, 6: mean 3, squared deviations 4 + 1 + 9 = 14, divisor 2
    summary = summarise_seeds([{"seed": 0, "m": 1.0}, {"seed": 1, "m": 2.0}, {"seed": 2, "m": 6.0, "n": math.nan}])
    assert summary == {"m": 3.0, "m_std": pytest.approx(math.sqrt(7.0))}


def test_one_seed_has_no_deviation():
    assert summarise_seeds([{"seed": 3, "m": 1.0}]) == {"m": 1.0}


def test_merge_joins_seeds_and_does_not_depend_on_their_order():
    a, b = one_seed(0, 50.0), one_seed(1, 60.0)
    merged, other = RunResult.merge([a, b]), RunResult.merge([b, a])
    assert merged.metrics == other.metrics
    assert merged.metrics["zsl.top1"] == 55.0
    assert merged.metrics["zsl.top1_std"] == pytest.approx(math.sqrt(50.0))
    assert merged.rows[0].values["zsl.top1"] == (55.0, pytest.approx(math.sqrt(50.0)))
    assert merged.predictions == {"seed": [0, 1], "label": ["a", "a"]}
    assert merged.seconds == {"fit": 3.0}
    assert merged.peak_memory_mb == 101.0
    assert [row["seed"] for row in merged.history] == [0, 1]


def test_merge_refuses_different_data_sets():
    a, b = one_seed(0, 50.0), one_seed(1, 60.0)
    b.dataset = "other"
    with pytest.raises(ValueError, match="different"):
        RunResult.merge([a, b])
    with pytest.raises(ValueError, match="nothing"):
        RunResult.merge([])


def test_table_is_aligned_and_shows_controls_and_gaps():
    lines = one_seed(0, 50.04).refresh().table()
    assert lines[0] == "toy: 1 seen, 2 unseen; 1 seed (in %)"
    header, rule, method, control = lines[1:]
    assert set(rule) == {"-"}
    end = header.index("T1") + 2
    assert method[:end].endswith("50.0")
    assert control[:end].endswith("5.0")
    assert control.endswith("[control] exact")
    assert method.rstrip().endswith("-")  # no harmonic mean in this result


def test_metrics_are_flat_and_json_able():
    flat = one_seed(0, 50.0).refresh().to_metrics()
    assert json.loads(json.dumps(flat)) == flat
    assert flat["seconds.fit"] == 1.5
    assert flat["seeds"] == 1.0
    assert flat["control.chance.zsl.top1"] == 5.0


def test_verdicts_put_failure_first_and_need_a_lead_above_the_spread():
    metrics = {
        "zsl.top1": 50.0,
        "zsl.top1_std": 3.0,
        "control.chance.zsl.top1": 5.0,
        "control.baseline.zsl.top1": 47.0,
        "control.baseline.zsl.top1_std": 4.0,  # spread: 5, lead: 3
        "control.shuffled.zsl.top1": 51.0,
    }
    controls = {"control.chance.": "chance", "control.baseline.": "ESZSL", "control.shuffled.": "the shuffled graph"}
    lines = judge(metrics, ["zsl.top1", "gzsl.harmonic"], controls, method="wgan")
    assert len(lines) == 3
    assert "above ESZSL, but within the spread" in lines[0]
    assert "DOES NOT BEAT the shuffled graph" in lines[1]
    assert lines[2] == "wgan beats chance: T1 50.0 ± 3.0 against 5.0"
    metrics["zsl.top1"] = 52.5  # lead 5.5 > 5
    assert "beats ESZSL" in " ".join(judge(metrics, ["zsl.top1"], controls, method="wgan"))


def test_a_tie_with_a_control_is_no_win():
    lines = judge({"m": 5.0, "control.chance.m": 5.0}, ["m"], {"control.chance.": "chance"}, method="x")
    assert "DOES NOT BEAT" in lines[0]


def test_values_without_a_figure_are_a_dash():
    assert format_value("zsl.top1", math.nan) == "-"
    assert format_value("gzsl.ausuc", 0.5) == "0.500"
