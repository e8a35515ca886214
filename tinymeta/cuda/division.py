"""Division of indices by a number that the host knows: a multiplication and two shifts.

A GPU has no instruction for it: the assembler makes ten and more of a division of 32 bits. But
i // n is i times 2^(31 + s) / n, rounded up to an integer, over 2^(31 + s), where 2^s is the first
power of two that is not below n: exactly, for every 0 <= i < 2^31, as what rounding up adds is less
than 2^s, so less than one part in 2^31 (Granlund & Montgomery, Division by invariant integers using
multiplication, 1994).
"""

from .target import SIMULATED, device_function, int32, uint32, uint64

Divisor = tuple[int, int, int]  # n, the multiplier as an int32, and s


def divisor(n: int) -> Divisor:
    """What a kernel is given to divide by n > 0."""
    shift = (n - 1).bit_length()
    multiplier = -(-(1 << 31 + shift) // n)
    return n, multiplier - (1 << 32 if multiplier >> 31 else 0), shift


if SIMULATED:

    def divided(i, n, multiplier, shift):
        return int32(i // n), int32(i % n)
else:

    @device_function
    def divided(i, n, multiplier, shift):
        """(i // n, i % n) of an int32 that is not negative, by the three numbers of a divisor."""
        high = uint32(uint64(uint32(2 * i)) * uint64(uint32(multiplier)) >> uint64(32))
        quotient = int32(high >> uint32(shift))
        return quotient, int32(i - quotient * n)
