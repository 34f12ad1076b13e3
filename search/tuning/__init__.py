"""Optuna: who proposes trials, who stops them, and studies made of a log.

It knows Optuna's samplers, pruners, studies and storages, and alone imports them. It never knows
a pack's weights, a link or a worker. It hands out nothing here: Optuna takes a second to import, so
each of its files is imported by name where it is needed.
"""

from search.extras import needed

with needed("optuna", "A sampler, a pruner or a study of Optuna"):
    import optuna  # noqa: F401 - for all files of this room, in one place
