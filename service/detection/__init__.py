"""Picture in, boxes out: decoding, resizing, soft-NMS, drawing. No engine is opened here."""
