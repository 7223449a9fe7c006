"""The one seam to inference engines: conversations in, sampled answers out."""
