"""The final model of a run in the files of other tools, with a card that says what it is.

It knows the formats: scikit-learn, ONNX, safetensors, and what the libraries of other trainers have
of their own. It never trains, never changes a run, and draws no conclusion that `search.result`
does not.
"""

from search.portable.card import model_card
from search.portable.predicting import Predicted, predictions
from search.portable.scikit_learn import as_estimator
from search.portable.winner import Winner, load_winner
from search.portable.writing import export_model, export_predictions

__all__ = [
    "Predicted",
    "Winner",
    "as_estimator",
    "export_model",
    "export_predictions",
    "load_winner",
    "model_card",
    "predictions",
]
