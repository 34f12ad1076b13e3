"""Optuna: who proposes trials, who stops them, and studies made of a log.

It knows Optuna's samplers, pruners, studies and storages, and alone imports them. It never knows
a pack's weights, a link or a worker. It hands out nothing here: Optuna takes a second to import, so
each of its files is imported by name where it is needed.
"""
