"""Metrics of the service in the formats of Prometheus and OpenMetrics.

`requests` counts what one process answered, `store` describes the store's present content, `estate` has the figures of
the estate, which `estate_figures` computes and reuses; `labels` bounds their label values.
"""

from streamusage.service.metrics.estate import MetricsLimits
from streamusage.service.metrics.process import Metrics, clock_metrics, format_metrics
from streamusage.service.metrics.store import store_metrics

__all__ = ["Metrics", "MetricsLimits", "clock_metrics", "format_metrics", "store_metrics"]
