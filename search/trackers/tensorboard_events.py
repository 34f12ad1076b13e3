"""The event files of TensorBoard, as bytes: of a trial, and of the sweep that it belongs to.

In TensorBoard's plugin for hyperparameters a trial is a session, and a sweep is an experiment.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_STRING
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.scalar import metadata as scalars
from tensorboard.plugins.text import metadata as texts
from tensorboard.summary.writer.record_writer import RecordWriter

from search.config import Axis, Range
from search.record import FAIL
from search.trackers.values import Run, Trial

STATE = "state"
"""The column that has the state of a trial, beside its hyperparameters."""

_ONE = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])

_STATES = ("COMPLETE", "PRUNED", "FAIL")


def trial_events(trial: Trial, name: str) -> bytes:
    """Return the event file of a trial.

    Parameters
    ----------
    trial : Trial
    name : str
        Name of its session.
    """
    end = trial.finished_at.timestamp()
    points = [(key, trial.last_epoch, value) for key, value in trial.figures.items()]
    points += [(key, step, value) for key, of in trial.series.items() for step, value in of]
    values = [
        (0, _hparams(metadata.SESSION_START_INFO_TAG, session_start_info=_start(trial, name))),
        *((step, _scalar(key, value)) for key, step, value in points),
        (0, _text("trial", {"state": trial.state, **trial.facts})),
        (0, _hparams(metadata.SESSION_END_INFO_TAG, session_end_info=_end(trial))),
    ]
    return _file(values, end)


def run_events(run: Run, metrics: Iterable[str]) -> bytes:
    """Return the event file of a sweep.

    Parameters
    ----------
    run : Run
    metrics : iterable of str
        The figures that its trials have.
    """
    experiment = api_pb2.Experiment(
        name=run.name,
        time_created_secs=run.started_at.timestamp(),
        hparam_infos=[
            *(_domain(name, axis) for name, axis in run.axes.items()),
            _domain(STATE, _STATES),
        ],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name), display_name=name)
            for name in metrics
        ],
    )
    values = [
        (0, _hparams(metadata.EXPERIMENT_TAG, experiment=experiment)),
        *((run.ended, _scalar(f"sweep/{name}", value)) for name, value in run.figures.items()),
        (0, _text("sweep/settings", run.settings)),
        (0, _text("sweep/run", run.texts)),
    ]
    return _file(values, time.time())


def _start(trial: Trial, name: str) -> plugin_data_pb2.SessionStartInfo:
    start = plugin_data_pb2.SessionStartInfo(
        group_name=name, start_time_secs=trial.started_at.timestamp()
    )
    for key, value in {**trial.params, STATE: trial.state}.items():
        if isinstance(value, bool):
            start.hparams[key].bool_value = value
        elif isinstance(value, int | float):
            start.hparams[key].number_value = value
        else:
            start.hparams[key].string_value = str(value)
    return start


def _end(trial: Trial) -> plugin_data_pb2.SessionEndInfo:
    status = api_pb2.STATUS_FAILURE if trial.state == FAIL else api_pb2.STATUS_SUCCESS
    return plugin_data_pb2.SessionEndInfo(
        status=status, end_time_secs=trial.finished_at.timestamp()
    )


def _domain(name: str, axis: Axis) -> api_pb2.HParamInfo:
    """Return the values or the range of a hyperparameter."""
    info = api_pb2.HParamInfo(name=name, type=api_pb2.DATA_TYPE_FLOAT64)
    if isinstance(axis, Range):
        info.domain_interval.min_value, info.domain_interval.max_value = axis.low, axis.high
    elif all(isinstance(value, bool) for value in axis):
        info.type = api_pb2.DATA_TYPE_BOOL
        info.domain_discrete.extend(list(axis))
    elif all(isinstance(value, int | float) for value in axis):
        info.domain_discrete.extend(list(axis))
    else:
        info.type = api_pb2.DATA_TYPE_STRING
        info.domain_discrete.extend([str(value) for value in axis])
    return info


def _hparams(tag: str, **content: object) -> Summary.Value:
    data = plugin_data_pb2.HParamsPluginData(**content)
    return Summary.Value(
        tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )


def _scalar(tag: str, value: float) -> Summary.Value:
    return Summary.Value(
        tag=tag,
        metadata=scalars.create_summary_metadata("", ""),
        tensor=TensorProto(dtype=DT_FLOAT, float_val=[value]),
    )


def _text(tag: str, lines: Mapping[str, object]) -> Summary.Value:
    """Return a table of Markdown; what is in it can form no other one."""
    table = "\n".join(f"| {_cell(key)} | {_cell(value)} |" for key, value in lines.items())
    text = f"| | |\n| --- | --- |\n{table}".encode(errors="backslashreplace")
    return Summary.Value(
        tag=tag,
        metadata=texts.create_summary_metadata("", ""),
        tensor=TensorProto(dtype=DT_STRING, tensor_shape=_ONE, string_val=[text]),
    )


def _cell(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _file(values: Iterable[tuple[int, Summary.Value]], at: float) -> bytes:
    """Return the bytes of a file: a record for each value, with its step."""
    content = BytesIO()
    writer = RecordWriter(content)
    for event in _events(values, at):
        writer.write(event.SerializeToString(deterministic=True))
    return content.getvalue()


def _events(values: Iterable[tuple[int, Summary.Value]], at: float) -> Iterator[Event]:
    yield Event(wall_time=at, file_version="brain.Event:2")
    for step, value in values:
        yield Event(wall_time=at, step=step, summary=Summary(value=[value]))
