"""CSV that Excel opens as text: UTF-8 with its mark, and no cell that a spreadsheet would run as a formula.

Source: OWASP, CSV Injection (https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
from typing import Any

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """One line a row, columns as headings, no index. Texts that begin like a formula get ' before; numbers stay numbers."""
    safe = table.map(_as_text).rename(columns=_as_text)
    quoting = csv.QUOTE_NONNUMERIC  # texts in quotes: a spreadsheet that parts cells at ; would else begin a formula behind one
    text = safe.to_csv(index=False, lineterminator="\r\n", quoting=quoting)
    return text.encode("utf-8-sig", errors="replace")


def _as_text(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
