"""Rates, means and their differences, with intervals and p-values: Wilson, Newcombe, pooled z, Welch. Pure maths."""

from dataclasses import dataclass
from math import erfc, exp, lgamma, log, log1p, sqrt
from statistics import NormalDist

_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of `denominator`; without a value when there is nothing to divide by."""

    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        return self.numerator / self.denominator if self.denominator else None

    def __add__(self, other: "Rate") -> "Rate":
        return Rate(self.numerator + other.numerator, self.denominator + other.denominator)


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one arm lies above the other, with its 95 % interval and two-sided p-value; all None without two arms."""

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None


def wilson(rate: Rate, z: float = _Z95) -> tuple[float, float]:
    """Wilson's score interval of a share of at least one."""
    n = rate.denominator
    share = rate.numerator / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def compare_rates(one: Rate, other: Rate) -> Difference:
    """`one - other` by Newcombe's hybrid score interval (1998, method 10); nothing when either arm is empty."""
    if not one.denominator or not other.denominator:
        return Difference()
    p1, p2 = one.numerator / one.denominator, other.numerator / other.denominator
    (low1, high1), (low2, high2) = wilson(one), wilson(other)
    return Difference(
        estimate=p1 - p2,
        low=p1 - p2 - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2),
        high=p1 - p2 + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2),
        p_value=_p_value(one, other),
    )


def _p_value(one: Rate, other: Rate) -> float:
    pooled = one + other
    share = pooled.numerator / pooled.denominator
    error = sqrt(share * (1 - share) * (1 / one.denominator + 1 / other.denominator))
    # All converted or none did: the arms are the same.
    if error == 0:
        return 1.0
    return erfc(abs(one.numerator / one.denominator - other.numerator / other.denominator) / error / sqrt(2))


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean over `count` values of which the sum and the sum of squares are known."""

    count: int
    total: int
    squares: int

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None

    @property
    def error(self) -> float:
        """The squared standard error of the mean, of at least two values."""
        # In whole numbers as long as possible: the difference of two large floats would be noise.
        spread = self.count * self.squares - self.total * self.total
        return spread / (self.count * self.count * (self.count - 1))


def compare_means(one: Mean, other: Mean) -> Difference:
    """`one - other` by Welch's t interval; no interval unless both arms hold at least two values."""
    if one.value is None or other.value is None:
        return Difference()
    estimate = one.value - other.value
    if one.count < 2 or other.count < 2:
        return Difference(estimate=estimate)
    error = one.error + other.error
    if error == 0:
        return Difference(estimate, estimate, estimate, 1.0 if estimate == 0 else 0.0)
    freedom = error**2 / (one.error**2 / (one.count - 1) + other.error**2 / (other.count - 1))
    half = student_quantile(0.975, freedom) * sqrt(error)
    return Difference(estimate, estimate - half, estimate + half, student_tail(abs(estimate) / sqrt(error), freedom))


def student_tail(t: float, freedom: float) -> float:
    """How likely Student's t lies further from 0 than `t`, on either side."""
    return _beta_share(freedom / 2, 0.5, freedom / (freedom + t * t))


def student_quantile(share: float, freedom: float) -> float:
    """The t below which lies `share` (more than a half) of Student's distribution."""
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > 2 * (1 - share):
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        if student_tail(middle, freedom) > 2 * (1 - share):
            low = middle
        else:
            high = middle
    return high


def _beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction where that converges fast."""
    if x <= 0 or x >= 1:
        return min(1.0, max(0.0, x))
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _beta_share(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    return min(1.0, front * _beta_fraction(a, b, x) / a)


def _beta_fraction(a: float, b: float, x: float) -> float:
    """Lentz's method: the fraction's terms multiplied up until one changes nothing."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1), tiny)
    value = d
    for m in range(1, 1000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away_from_zero(1.0 + term * d, tiny)
            c = _away_from_zero(1.0 + term / c, tiny)
            value *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return value


def _away_from_zero(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
