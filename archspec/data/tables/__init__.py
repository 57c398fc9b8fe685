"""Tables of images: a column of paths, a column of labels, and perhaps one of splits."""
