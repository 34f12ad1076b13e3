"""Whether this command is a job that was handed to a Ray cluster."""

import os
from pathlib import Path

# Ray sets it for the driver of a job, and unpacks the job's files below a folder of this name.
_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
_UNPACKED = "runtime_resources"


def is_job() -> bool:
    """Whether this process is the driver of a job."""
    return _JOB in os.environ


def ends_with_job(folder: Path) -> bool:
    """Whether Ray will delete a folder after the job, because it has unpacked it for the job."""
    return is_job() and _UNPACKED in folder.absolute().parts
