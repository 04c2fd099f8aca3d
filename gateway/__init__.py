"""The MRI Reconstruction Gateway: raw data from a scanner in, a DICOM series in the PACS out."""

__version__ = "0.1.0"
