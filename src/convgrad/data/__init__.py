"""Datasets: IDX files, folders and archives of images, .npz, a bundled sample, known sets; splitting and batches."""
