"""How the settings have writes carried between processes."""

from config import Settings
from server.live_query.bus import Bus
from server.live_query.socket_carrier import SocketCarrier


def make_bus(settings: Settings) -> Bus:
    """By Redis where there is one, and otherwise between the processes of this machine."""
    if settings.live_query_redis:
        from server.live_query.redis_carrier import RedisCarrier  # others start without its library

        return Bus(RedisCarrier(settings.live_query_redis, settings.app_id))
    return Bus(SocketCarrier(settings.data_dir / "live-query"))
