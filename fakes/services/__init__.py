"""A stand-in for the image services on loopback HTTP, which paints, charges, and misbehaves when told to."""

from fakes.services.faults import Fault
from fakes.services.odd import ODD, Echo, InTurn, deploy, odd
from fakes.services.pictures import Picture, flat, painted
from fakes.services.records import Bill, Call
from fakes.services.server import StandIn
from fakes.services.works import Fate

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
