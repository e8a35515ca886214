"""PTX, executed on the CPU."""
