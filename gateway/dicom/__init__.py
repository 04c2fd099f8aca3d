"""DICOM objects and the network: geometry, pixels, series, C-STORE."""
