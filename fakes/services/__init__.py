"""A stand-in for the image services on loopback HTTP, which paints, charges, and misbehaves when told to."""

from fakes.services.call_log import Bill, Call
from fakes.services.faults import Fault
from fakes.services.malformed_answers import MALFORMED, Echo, InTurn, deploy, malformed
from fakes.services.pictures import Picture, flat, painted
from fakes.services.rendering import Fate
from fakes.services.server import StandIn

__all__ = [
    "MALFORMED",
    "Bill",
    "Call",
    "Echo",
    "Fate",
    "Fault",
    "InTurn",
    "Picture",
    "StandIn",
    "deploy",
    "flat",
    "malformed",
    "painted",
]
