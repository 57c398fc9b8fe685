"""MLflow as a tracker of archspec's runs: parameters, and metrics by step and by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from archspec import Offer, Offers, Options, hookimpl
from archspec.errors import RunError

if TYPE_CHECKING:
    from archspec import Tracker


class MlflowOptions(Options):
    """Options of the MLflow tracker."""

    uri: Annotated[str, Field(min_length=1)] | None = None
    """Where MLflow keeps runs, such as `http://localhost:5000` or `sqlite:///mlflow.db`. Where nothing is said,
    `$MLFLOW_TRACKING_URI`, and without that the file RUN/mlflow/mlflow.db."""
    experiment: Annotated[str, Field(min_length=1)] = "archspec"
    """The experiment that runs belong to; it is made where there is none."""
    every: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Steps that a point is the mean of, and for which the device is waited for once."""


def mlflow(options: MlflowOptions, folder: Path) -> Tracker:
    """Writes a run of MLflow's."""
    try:
        import mlflow.tracking  # noqa: F401
    except ImportError as error:
        message = f"the tracker 'mlflow' needs MLflow: {error}"
        raise RunError(message, help="pip install mlflow-skinny sqlalchemy alembic") from error
    from archspec_mlflow.tracker import MlflowTracker

    return MlflowTracker(options, folder)


@hookimpl
def archspec_trackers() -> Offers:
    summary = "a run of MLflow's, in RUN/mlflow or on a server"
    return {"mlflow": Offer(MlflowOptions, mlflow, summary, docs="https://mlflow.org/docs/latest/ml/tracking/")}
