"""A folder of photos, one rule for the hole: PYTHONPATH=. python examples/folder_rule.py PHOTOS OUT RULE.

RULE is such as 'region:bottom-right 18%x6%', 'scratches' or 'text'. Photos where the rule finds nothing are left out.
"""

import sys
from pathlib import Path

from inpaint import Inpainter
from inpaint.errors import EmptyMask, InpaintError
from inpaint.fill_file import FillJob, fill_file
from inpaint.masking.rules import parse_rule


def main(photos: str, output: str, rule_text: str) -> int:
    """Fill each photo of a folder; returns 1 if some photo failed.

    `inpaint batch PHOTOS -m RULE -o OUT` does the same in several processes and goes on after a kill.
    """
    rule, inpainter, failed = parse_rule(rule_text), Inpainter.load(), 0
    Path(output).mkdir(parents=True, exist_ok=True)
    for file in sorted(Path(photos).iterdir()):
        job = FillJob(file, lambda photo, notes: rule(photo.visible_pixels()), Path(output, file.name))
        try:
            made = fill_file(job, lambda: inpainter)
        except EmptyMask:
            print(f"{file.name}: the rule finds nothing")
        except InpaintError as error:
            failed = 1
            print(f"{file.name}: {error}")
        else:
            report, proof = made.fill, made.verification.sentence
            print(f"{file.name}: {report.filled_pixels:,} pixels by {report.engines}; {proof}")
    return failed


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
