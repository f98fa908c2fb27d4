#!/usr/bin/env python3
"""Makes pictures to learn colouring from: MNIST's digits, each class in a colour of its own, on a dark blue ground.

    python3 scripts/tint-digits.py MNIST OUT

MNIST is a folder with train-images-idx3-ubyte.gz and so on; OUT gets data_batch_1.bin and test_batch.bin, in the binary
format of CIFAR-10: 32 x 32 pixels, the digits in the middle. What a grey picture does not say, but the digit does, is its
colour.
"""
import colorsys
import gzip
import pathlib
import sys

SIDE, DIGIT = 32, 28
GROUND = (0, 0, 40)


def ink(digit):
    return [round(255 * c) for c in colorsys.hsv_to_rgb(digit / 10, 0.8, 1)]


def record(label, digit):
    edge = (SIDE - DIGIT) // 2
    planes = bytearray([label])
    for ground, full in zip(GROUND, ink(label)):
        plane = bytearray([ground]) * (SIDE * SIDE)
        for y in range(DIGIT):
            for x in range(DIGIT):
                light = digit[y * DIGIT + x] / 255
                plane[(y + edge) * SIDE + x + edge] = round(ground + (full - ground) * light)
        planes += plane
    return planes


def convert(source, part, target):
    images = gzip.open(source / f"{part}-images-idx3-ubyte.gz").read()[16:]
    labels = gzip.open(source / f"{part}-labels-idx1-ubyte.gz").read()[8:]
    size = DIGIT * DIGIT
    with open(target, "wb") as out:
        for i, label in enumerate(labels):
            out.write(record(label, images[i * size:(i + 1) * size]))


if len(sys.argv) != 3:
    sys.exit(__doc__)
source, folder = map(pathlib.Path, sys.argv[1:])
folder.mkdir(parents=True, exist_ok=True)
convert(source, "train", folder / "data_batch_1.bin")
convert(source, "t10k", folder / "test_batch.bin")
