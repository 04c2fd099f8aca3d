"""Echo-planar readouts become lines of a Cartesian scan: regridded, mirrored, and freed of the Nyquist ghost."""
