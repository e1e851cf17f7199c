"""Packages of BioImage.IO: read and written with the standard library and a safe YAML loader; no torch.

`archive` reads files out of a package, `description` says what is in it, `describing` writes one.
"""
