"""A stand-in for the image services on loopback HTTP, which paints, charges, and misbehaves when told to."""

from playground.providers.faults import Fault
from playground.providers.odd import ODD, Echo, InTurn, deploy, odd
from playground.providers.pictures import Picture, flat, painted
from playground.providers.records import Bill, Call
from playground.providers.server import StandIn
from playground.providers.works import Fate

__all__ = [
    "ODD",
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
    "odd",
    "painted",
]
