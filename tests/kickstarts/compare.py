"""Compares flattened kickstarts with what pykickstart itself makes of the originals.

Arguments: VERSION ORIGINAL FLATTENED [ORIGINAL FLATTENED]...
Prints one JSON object per pair: the original, "outcome" (equal, different or unreadable, when
pykickstart cannot read the original), and what both printed or the reason.
"""

import json
import sys
import warnings

from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

warnings.simplefilter("ignore")


def printed(version, path):
    """What ksflatten prints."""
    parser = KickstartParser(makeVersion(version))
    parser.readKickstart(path)
    return str(parser.handler)


def compared(version, original, flattened):
    try:
        theirs = printed(version, original)
    except Exception as error:  # pykickstart raises many kinds, ValueError of shlex among them
        return {"outcome": "unreadable", "reason": str(error)}
    try:
        ours = printed(version, flattened)
    except Exception as error:
        return {"outcome": "different", "theirs": theirs, "ours": str(error)}
    outcome = "equal" if ours == theirs else "different"
    return {"outcome": outcome, "theirs": theirs, "ours": ours}


version, paths = sys.argv[1], sys.argv[2:]
for original, flattened in zip(paths[::2], paths[1::2], strict=True):
    print(json.dumps({"original": original} | compared(version, original, flattened)))
