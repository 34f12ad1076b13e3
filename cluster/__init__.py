"""Places where work runs: this process, or a Ray cluster."""

import os

# Ray reads these when it is imported, by whichever module is first.
_RAY_SETTINGS = {
    # Nothing is reported to anybody, and no notice about it printed.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # What is asked of a cluster that is out of reach should not start or join another one.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    # Metrics are told every two seconds instead of ten: many sweeps take no minute.
    "RAY_metrics_report_interval_ms": "2000",
}
for _name, _value in _RAY_SETTINGS.items():
    os.environ.setdefault(_name, _value)
