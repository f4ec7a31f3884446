"""The stock firmware of Pupper v2, emulated byte for byte."""
