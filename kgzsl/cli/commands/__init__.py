"""One file for each command; each adds itself to the app."""

from kgzsl.cli.commands import (
    add_class,
    audit,
    bench,
    compare,
    complete,
    datasets,
    demo,
    doctor,
    explain,
    export,
    import_graph,
    info,
    pack,
    predict,
    priors,
    recipes,
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
    recipes.add,
    run.add,
    compare.add,
    predict.add,
    complete.add,
    explain.add,
    add_class.add,
    export.add,
    datasets.add,
    bench.add,
    doctor.add,
)
"""In the order in which help lists them."""
