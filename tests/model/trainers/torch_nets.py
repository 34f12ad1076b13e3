"""Trainers of PyTorch for the tests, found by name as a user's are."""

import torch

from model.trainers.torch import TorchTrainer


class Net(TorchTrainer):
    version = "1"
    names = ("width", "dropout", "learning_rate", "batch_size")

    def model(self, params, n_features, n_classes):
        return torch.nn.Sequential(
            torch.nn.BatchNorm1d(n_features),
            torch.nn.Linear(n_features, params["width"]),
            torch.nn.ReLU(),
            torch.nn.Dropout(params["dropout"]),
            torch.nn.Linear(params["width"], n_classes),
        )


class Momentum(Net):
    def optimiser(self, params, module):
        rate = params["learning_rate"]
        return torch.optim.SGD(module.parameters(), rate, momentum=0.9, nesterov=True)

    def loss(self, params, outputs, classes):
        return torch.nn.functional.multi_margin_loss(outputs, classes, reduction="none")
