"""Which way of delivery the settings ask for."""

from cloud.moderation.pipeline import ModerationPipeline
from config import Settings
from server.dispatch.local import LocalDispatch
from server.dispatch.swept import SweptDispatch


def make_dispatch(settings: Settings, pipeline: ModerationPipeline) -> SweptDispatch:
    """Workers where there is a broker, threads of this process where there is none."""
    if not settings.celery_broker_url:
        return LocalDispatch(pipeline, threads=settings.worker_permits)
    from server.dispatch.celery import CeleryDispatch  # 0.2 s and 12 MB that others are spared

    return CeleryDispatch(pipeline, settings.celery_broker_url)
