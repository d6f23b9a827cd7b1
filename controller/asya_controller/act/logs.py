"""One JSON line per event on standard error.

Set up once by `__main__`; everybody else asks structlog. Must not log secrets: messages of brokers and of the API server hold none.
"""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Begin to log from `level` up."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries speak up only when something is wrong; pika calls every lost connection an error, which our own line says better.
    logging.basicConfig(
        level=logging.ERROR, format='{"level":"%(levelname)s","logger":"%(name)s","event":"%(message)s"}'
    )
    logging.getLogger("pika").setLevel(logging.CRITICAL)
