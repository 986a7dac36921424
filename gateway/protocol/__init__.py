"""uvicorn's httptools protocol, with the limits of a front door, and strict about framing."""

from gateway.protocol.connection import FrontDoorProtocol
from gateway.protocol.head import RequestLimits
from gateway.protocol.room import ConnectionCounts

__all__ = ["ConnectionCounts", "FrontDoorProtocol", "RequestLimits"]
