"""How much each hyperparameter matters, by Optuna."""

import warnings

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances


def importances(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each hyperparameter, the largest first; they sum to one.

    PED-ANOVA compares the better trials with all. It is fast, and costs that
    nearly diverged do not weigh more than others.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict of str to float
        Empty where it cannot be told: too few trials, or all alike.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is experimental, and says so; few trials it mentions
        try:
            return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
        except (ValueError, RuntimeError, ZeroDivisionError):
            return {}
