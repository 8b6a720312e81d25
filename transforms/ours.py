"""An error -> the line of ours at which it came up.

Promise: nothing of the error's own message, which can repeat a value or a name of a provider's.
"""

import traceback
from pathlib import Path


def line_of_ours(error: BaseException) -> str:
    """`file.py:line`, the innermost of this folder; "" where no line of it is in the error's way."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).parent == Path(__file__).parent]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
