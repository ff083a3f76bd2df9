"""Tests on real kernels."""
