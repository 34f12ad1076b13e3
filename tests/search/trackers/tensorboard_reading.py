"""Event files read by TensorBoard's own plugin for hyperparameters."""

from types import SimpleNamespace

from tensorboard import context
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context


def loaded(folder):
    """Return the plugin's backend for a folder, with an experiment."""
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    backend = Context(base_plugin.TBContext(data_provider=provider, logdir=str(folder)))
    ctx = context.RequestContext()
    metadata = backend.hparams_metadata(ctx, "")
    experiment = backend.experiment_from_metadata(ctx, "", True, metadata, None)
    return SimpleNamespace(ctx=ctx, backend=backend, experiment=experiment, multiplexer=multiplexer)


def sessions(folder):
    """Return the hyperparameters of each session, its status and its metrics, by its name."""
    there = loaded(folder)
    if there.experiment is None:
        return {}
    metrics = [info.name for info in there.experiment.metric_infos]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=10_000,
        include_metrics=True,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
        col_params=[api_pb2.ColParams(metric=metric) for metric in metrics],
    )
    handler = list_session_groups.Handler(there.ctx, there.backend, "", request)
    return {group.name: _session(group) for group in handler.run().session_groups}


def _session(group):
    (session,) = group.sessions
    values = {}
    for name, value in group.hparams.items():
        values[name] = (
            getattr(value, value.WhichOneof("kind")) if value.WhichOneof("kind") else None
        )
    metrics = {value.name.tag: value.value for value in group.metric_values}
    return {**values, "metrics": metrics, "status": session.status}
