"""A stand-in for the image services on loopback HTTP: it renders, charges, and misbehaves on request.

    async with StandIn(seconds=(0, 0), painter=flat) as services:      # no time, images of one colour
        settings = {"AITHRIVING_URL": services.url, "AI_CLIENT_URL": f"{services.url}/api/v1", …}
        services.misbehave(Fault("aithriving.core", Status(503), times=2))   # the next two calls of this route
        services.misbehave(deploy(times=8))                            # malformed answers, as during an update
    assert len(services.calls_to("aithriving.core")) == 3              # what arrived
    assert [bill.amount for bill in services.bills] == [6_000]         # what was charged, in millicredits

* ``seconds=None``: a rendering ends at ``finish_all()`` or ``finish(guid)``; ``services.renderings`` lists them all.
* ``services.calls_to("aithriving.inpaint")[0].files["image"]``: an upload with its bytes and the metadata in it.
* Acts of a ``Fault``: Status, Reset, Hang, Half, Slow, Endless, Ignore, Rewrite (``answer_edits.py``), Spoil
  (``image_variants.py``), a ``Fate`` (how the rendering goes), ``malformed(name)``, ``Echo``, ``InTurn``.
* ``python -m fakes.services`` runs it as a process. It accepts the same faults as JSON at ``/_control``.
"""

from fakes.services.aithriving_faults import absent, retired
from fakes.services.call_log import Bill, Call
from fakes.services.faults import Fault
from fakes.services.malformed_answers import MALFORMED, Echo, InTurn, deploy, malformed
from fakes.services.pictures import Edit, Picture, flat, painted
from fakes.services.rendering import Fate
from fakes.services.server import StandIn
from fakes.services.uploads import Upload

__all__ = [
    "MALFORMED",
    "Bill",
    "Call",
    "Echo",
    "Edit",
    "Fate",
    "Fault",
    "InTurn",
    "Picture",
    "StandIn",
    "Upload",
    "absent",
    "deploy",
    "flat",
    "malformed",
    "painted",
    "retired",
]
