"""A program, of whatever interpreter the toolchain has."""
