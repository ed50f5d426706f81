"""CSV that Excel opens as text: UTF-8 with its mark, and no cell that a spreadsheet would run as a formula.

Source: OWASP, CSV Injection (https://owasp.org/www-community/attacks/CSV_Injection).
"""

from typing import Any

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """One line a row, columns as headings, no index. Texts that begin like a formula get ' before; numbers stay numbers."""
    safe = table.map(_as_text).rename(columns=_as_text)
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def _as_text(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
