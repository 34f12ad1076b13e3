"""The exact optimum of each alpha of the full grid, by Newton's method and by scikit-learn.

    python benchmarks/newton.py                      alphas of configs/full.toml, 60,000 images
    python benchmarks/newton.py --threads 1          where others use the machine too
    python benchmarks/newton.py --short              digits, to see that it works

Alphas go from the largest to the smallest, each from the optimum of the one before; its seconds are
its own. Alpha 0 is left out: it has no optimum on these images (see model/optima/newton.py). Test
figures are on the 10,000 test images; costs are without the penalty.

The peer is scikit-learn's LogisticRegression with lbfgs, the same cost and penalty, from zero as
Newton's method beside it: on raw pixels, and on pixels over 255 with the penalty converted
(standardised pixels would be penalised unequally: another problem). Its tolerance is out of reach,
so that it ends after max_iter: these are doubled, each time from zero, until its penalised cost
is within 1e-6 of the optimum or the next run would end after the cap. Only the last run's seconds
count.
"""

import argparse
import os
import time
import warnings
from typing import Any

import numpy as np
from harness import report
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from model.data.dataset import Dataset
from model.data.digits import load_digits
from model.data.fashion_mnist import load_fashion_mnist
from model.optima.newton import Optimum, softmax_optimum
from model.softmax import cost, log_softmax

ALPHAS = (10000.0, 1000.0, 100.0, 10.0, 1.0, 0.1, 0.01)
PEERS_ALPHA = 10.0
NEAR = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--alphas", type=float, nargs="+", default=ALPHAS, help="in their order")
    parser.add_argument("--cap", type=float, help="seconds for each row of the peer (600)")
    parser.add_argument("--short", action="store_true")
    args = parser.parse_args()
    data = load_digits() if args.short else load_fashion_mnist(notify=print)
    cap = args.cap or (10 if args.short else 600)
    load = os.getloadavg()[0]
    with threadpool_limits(args.threads):
        optima = path(data, args.alphas)
        peers = against_peer(data, PEERS_ALPHA, cap)
    figures = {
        "dataset": data.name,
        "threads": args.threads,
        "other_load": load,
        "optima": optima,
        f"from zero, alpha {PEERS_ALPHA:g}": peers,
    }
    report("newton", figures, keep=not args.short)


def timed(data: Dataset, alpha: float, start=None) -> tuple[Optimum, dict[str, Any]]:
    wall, processor = time.perf_counter(), time.process_time()
    optimum = softmax_optimum(data.X, data.y, alpha, data.n_classes, start=start)
    row = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - processor,
        "iterations": optimum.iterations,
        "products": optimum.hessian_products,
        "factors": optimum.factorisations,
        "gradient_norm": optimum.gradient_norm,
        "penalised_cost": optimum.penalised_cost,
    }
    print(f"alpha {alpha:g}: {row}", flush=True)
    return optimum, row


def path(data: Dataset, alphas) -> dict[str, dict[str, Any]]:
    """Find every optimum from the one before."""
    rows, start = {}, None
    for alpha in alphas:
        optimum, row = timed(data, alpha, start)
        start = (optimum.W, optimum.b)
        rows[f"{alpha:g}"] = row | scores(optimum, data)
    return rows


def scores(optimum: Optimum, data: Dataset) -> dict[str, float]:
    """Cost on the training images, cost and accuracy on the test images."""
    log_p = log_softmax(data.X_test @ optimum.W + optimum.b)
    return {
        "train_cost": cost(optimum.W, optimum.b, data.X, data.y),
        "test_cost": cost(optimum.W, optimum.b, data.X_test, data.y_test),
        "test_accuracy": float((log_p.argmax(axis=1) == data.y_test).mean()),
        "largest_weight": float(np.abs(optimum.W).max()),
    }


def against_peer(data: Dataset, alpha: float, cap: float) -> dict[str, dict[str, Any]]:
    optimum, ours = timed(data, alpha)
    rows = {"newton": {**ours, "above_optimum": 0.0}}
    for name, scale in (("lbfgs, raw pixels", 1.0), ("lbfgs, pixels / 255", 255.0)):
        rows[name] = peer(data, alpha, scale, optimum.penalised_cost, cap)
        print(f"{name}: {rows[name]}", flush=True)
    return rows


def peer(data: Dataset, alpha: float, scale: float, target: float, cap: float) -> dict[str, Any]:
    """Run lbfgs with ever more iterations until it is near the optimum or out of time."""
    iterations, spent = 100, 0.0
    while True:
        row = lbfgs(data, alpha, scale, iterations)
        row["above_optimum"] = row["penalised_cost"] - target
        spent += row["seconds"]
        if abs(row["above_optimum"]) <= NEAR or spent + 2 * row["seconds"] > cap:
            return row
        iterations *= 2


def lbfgs(data: Dataset, alpha: float, scale: float, iterations: int) -> dict[str, Any]:
    X = data.X / scale
    # It multiplies the sum over the images by C, where the mean is penalised here.
    model = LogisticRegression(
        C=scale**2 / (alpha * len(data.y)), tol=1e-12, max_iter=iterations, solver="lbfgs"
    )
    wall, processor = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, data.y)
    seconds, cpu = time.perf_counter() - wall, time.process_time() - processor
    W, b = model.coef_.T / scale, model.intercept_
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "iterations": int(model.n_iter_[0]),
        "penalised_cost": cost(W, b, data.X, data.y) + alpha / 2 * float((W**2).sum()),
    }


if __name__ == "__main__":
    main()
