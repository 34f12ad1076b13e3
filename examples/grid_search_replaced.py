"""A GridSearchCV script with one line changed: the same results from a part of the work."""

from sklearn.datasets import load_digits
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import GridSearchCV

from search.estimators import PackSweepSearchCV

X, y = load_digits(n_class=4, return_X_y=True)
model = GradientBoostingClassifier(max_depth=2, random_state=0)
space = {"n_estimators": [5, 10, 20, 40], "learning_rate": [0.05, 0.2]}

before = GridSearchCV(model, space, cv=3).fit(X, y)
after = PackSweepSearchCV(model, space, resource="n_estimators", cv=3).fit(X, y)

assert after.best_params_ == before.best_params_
assert (after.cv_results_["mean_test_score"] == before.cv_results_["mean_test_score"]).all()
print("best params:", after.best_params_)
print("trainings:  ", after.n_trainings_, "in place of", 3 * len(after.cv_results_["params"]))
