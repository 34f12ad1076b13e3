"""Places where work runs: this process, or a Ray cluster."""

import os

# Ray reads these when it is imported, by whichever module is first.
_RAY_SETTINGS = {
    # Nothing is reported to anybody, and no notice about it printed.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Metrics are told every two seconds instead of ten: many sweeps take no minute.
    "RAY_metrics_report_interval_ms": "2000",
    # A machine that has lost its power or its network closes no connection, and every call that
    # waits for it waits until pings get no answer: seven minutes, and a minute and a half with
    # these. Workers that do not know of them cut off who pings more than once a minute.
    "RAY_grpc_client_keepalive_time_ms": "65000",
    "RAY_grpc_client_keepalive_timeout_ms": "20000",
}
for _name, _value in _RAY_SETTINGS.items():
    os.environ.setdefault(_name, _value)
