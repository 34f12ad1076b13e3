"""What a sweep would do."""

from typing import Literal

from pydantic import Field

from search.schemas.answer import Answer, Number, Value


class Pruner(Value):
    """What stops trials before their end; other figures do not count what it will save."""

    name: str
    epochs: list[int] = Field(description="Epochs at which it is asked.")


class Share(Value):
    """The part of the training time that the packs of one kind take."""

    batch_size: int
    share: float


class DryRun(Answer):
    """The plan of a new run, with its time and its memory."""

    form: Literal["dry-run/1"] = Field(default="dry-run/1", alias="schema")
    run: str = Field(description="The folder that the run would have; its name at a service.")
    dataset: str
    fingerprint: str
    trials: int
    waves: int = Field(description="How often a sampler is asked; 1 for a grid.")
    first_wave: int = Field(description="Trials of the first wave, which the plan below is of.")
    trainings: int = Field(description="Trainings of each trial, with seeds or folds.")
    trajectories: int
    epochs: int
    epochs_without_sharing: int = Field(description="Epochs if each trial were trained separately.")
    packs: int
    widths: list[int] = Field(description="How many trajectories a pack has.")
    links: int
    longest_link_s: float
    workers: int
    busy: float = Field(description="Fraction of the training in which workers are busy.")
    operations: Number = Field(description="Operations of the products; null if not known.")
    training_s: float
    final_training_s: float = Field(description="At most.")
    rows_bytes: int = Field(description="Memory of the rows, once on each machine.")
    state_bytes: int | None = Field(description="Memory of a pack's state; null where not known.")
    link_bytes: int | None = Field(
        description="Memory of a worker for a link, besides the rows; null if not known."
    )
    process_bytes: int | None = Field(
        description="Most memory of the command's process; null if not known."
    )
    worker_bytes: int | None = Field(
        description="Most memory of each worker, besides what they share; null without workers."
    )
    pruner: Pruner | None
    shares: list[Share] = Field(description="Where the time goes; empty where not known.")
