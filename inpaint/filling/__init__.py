"""How a hole is filled: windows, structure, blending."""
