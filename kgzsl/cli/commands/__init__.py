"""One file for each command; each adds itself to the app."""

from kgzsl.cli.commands import (
    add_class,
    audit,
    bench,
    datasets,
    demo,
    doctor,
    explain,
    import_graph,
    info,
    pack,
    predict,
    priors,
    run,
)

__all__ = ["ALL"]

ALL = (
    demo.add,
    import_graph.add,
    info.add,
    audit.add,
    priors.add,
    pack.add,
    run.add,
    predict.add,
    explain.add,
    add_class.add,
    datasets.add,
    bench.add,
    doctor.add,
)
"""In the order in which help lists them."""
