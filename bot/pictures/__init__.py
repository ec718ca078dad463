"""Pillow work on pictures: decoding, fitting, masks, drawings."""
