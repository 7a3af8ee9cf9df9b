"""Decimal money as storefronts send it, in minor units."""

from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow

from shared.errors import Invalid

# ISO 4217 currencies whose minor unit is not a hundredth.
_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
# Decimal would round what has too many digits to be told apart.
_EXACT = Context(traps=[Inexact, InvalidOperation, Overflow])


def minor_units(amount: Decimal, currency: str, pointer: str) -> int:
    """Decimal money in minor units; raises Invalid for what is no amount of that currency."""
    try:
        minor = _EXACT.scaleb(amount, 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2)
        whole = int(minor)
    except (ArithmeticError, ValueError) as error:
        raise Invalid("this is no amount of money", code="money-invalid", pointer=pointer) from error
    if minor != whole or not 0 <= whole < 2**53:
        raise Invalid(
            f"not an amount of whole minor units of {currency} between 0 and 2^53",
            code="money-invalid",
            pointer=pointer,
        )
    return whole
