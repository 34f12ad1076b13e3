"""What is PyTorch's own."""

import copy

import pytest
from sklearn.metrics import accuracy_score, log_loss
from trainer_cases import CASES, rows, trained

from model.trainers.columns import train_alone

torch = pytest.importorskip("torch")

SCORING = rows(50)
PARAMS = CASES["net"].params


def net(name="net"):
    return CASES[name].trainer


@pytest.fixture
def one_thread():
    """Let what a test computes itself be added in the order of one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("name", ["net", "margin"])
def test_a_state_is_not_trained_in_place(name):
    trainer, data = net(name), rows()
    state = trainer.advance(None, PARAMS, range(2), data)
    before = copy.deepcopy(state)
    later = trainer.advance(state, PARAMS, range(2, 4), data)
    assert same(state, before)
    assert not same(later, before)
    assert same(trainer.advance(state, PARAMS, range(2, 4), data), later)


@pytest.mark.parametrize("name", ["net", "margin"])
def test_cut_ranges_give_the_same_weights_and_the_same_optimiser(name):
    data, trainer = rows(), net(name)
    whole = trainer.advance(None, PARAMS, range(6), data)
    assert same(trained(trainer, PARAMS, [1, 4, 6], data), whole)


SCHEDULES = {"constant": (0.01, [0.01, 0.01, 0.01]), "falling": ("0.01 to 0 over 3", None)}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_is_the_loop_that_one_writes_by_hand(one_thread, schedule):
    trainer, data = net(), rows(weighted=True)
    rate, rates = SCHEDULES[schedule]
    rates = rates or [0.01, 0.01 * 2 / 3, 0.01 / 3]
    state = train_alone(trainer, {**PARAMS, "learning_rate": rate}, range(3), data)
    torch.manual_seed(int(data.rng().integers(2**63)))
    module = trainer.model(PARAMS, 5, 3)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for epoch in range(3):
        optimiser.param_groups[0]["lr"] = rates[epoch]
        torch.manual_seed(int(data.rng(epoch).integers(2**63)))
        order = data.order(epoch)
        for i in range(0, 80, 16):
            rows_ = order[i : i + 16]
            weights = torch.tensor(data.weights[rows_], dtype=torch.float32)
            outputs = module(torch.tensor(data.X[rows_]))
            losses = torch.nn.functional.cross_entropy(
                outputs, torch.tensor(data.y[rows_]), reduction="none"
            )
            optimiser.zero_grad()
            ((weights * losses).sum() / weights.sum()).backward()
            optimiser.step()
    for name, values in module.state_dict().items():
        assert torch.allclose(state["module"][name], values, rtol=1e-5, atol=1e-7)
    if schedule == "constant":
        assert same(state["module"], dict(module.state_dict()))
    module.eval()
    probabilities = torch.softmax(module(torch.tensor(SCORING.X)), dim=1).detach().numpy()
    figures = trainer.score(state, SCORING)
    assert figures["cost"] == pytest.approx(log_loss(SCORING.y, probabilities), rel=1e-5)
    assert figures["accuracy"] == accuracy_score(SCORING.y, probabilities.argmax(axis=1))


def test_dropout_follows_from_the_seed_and_the_epoch():
    trainer = net()
    state = trainer.advance(None, PARAMS, range(1), rows(seed=1))
    found = [
        trainer.advance(state, PARAMS, epochs, rows(seed=seed))["module"]
        for seed, epochs in ((1, range(1, 2)), (2, range(1, 2)), (1, range(2, 3)))
    ]
    assert not same(found[0], found[1])
    assert not same(found[0], found[2])


def test_pytorch_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    trainer = net()
    trainer.score(trainer.advance(None, PARAMS, range(1), rows()), SCORING)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_state_that_is_no_state_is_not_run():
    import pickle

    with pytest.raises(pickle.UnpicklingError):
        net().load(torch_saved(print))


def torch_saved(thing):
    import io

    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()
