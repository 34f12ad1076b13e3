"""Optuna behind the search: its samplers, its pruners, and studies made of a log.

Nothing else imports Optuna, and nothing here is imported before it is needed,
because a grid goes without it.
"""
