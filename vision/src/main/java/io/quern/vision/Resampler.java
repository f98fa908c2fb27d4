package io.quern.vision;

/**
 * Resizing as Pillow does it, to the bit: the filter is stretched when shrinking, weights have 22 fractional bits, and
 * each of the two passes, along rows first, rounds to 8 bits.
 */
enum Resampler {
    NEAREST(0),
    LANCZOS(3) {
        @Override
        double weight(double x) {
            return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
        }
    },
    BILINEAR(1) {
        @Override
        double weight(double x) {
            return Math.max(0, 1 - Math.abs(x));
        }
    },
    BICUBIC(2) {
        @Override
        double weight(double x) {
            double a = -0.5;
            double t = Math.abs(x);
            if (t < 1) {
                return ((a + 2) * t - (a + 3)) * t * t + 1;
            }
            return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
        }
    },
    BOX(0.5) {
        @Override
        double weight(double x) {
            return x > -0.5 && x <= 0.5 ? 1 : 0;
        }
    },
    HAMMING(1) {
        @Override
        double weight(double x) {
            double t = Math.abs(x);
            if (t == 0) {
                return 1;
            }
            return t >= 1 ? 0 : sinc(t) * (0.54 + 0.46 * Math.cos(Math.PI * t));
        }
    };

    private static final int BITS = 22;

    private final double support;

    Resampler(double support) {
        this.support = support;
    }

    double weight(double x) {
        throw new IllegalStateException(name());
    }

    private static double sinc(double x) {
        return x == 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    }

    Image resize(Image from, int width, int height) {
        if (width == from.width() && height == from.height()) {
            return from;
        }
        if (this == NEAREST) {
            return nearest(from, width, height);
        }
        Image wide = width == from.width() ? from : rows(from, width);
        return height == wide.height() ? wide : columns(wide, height);
    }

    private static Image nearest(Image from, int width, int height) {
        int c = from.channels();
        byte[] to = new byte[Math.multiplyExact(Math.multiplyExact(width, height), c)];
        for (int y = 0; y < height; y++) {
            int row = (int) ((y + 0.5) * from.height() / height);
            for (int x = 0; x < width; x++) {
                int column = (int) ((x + 0.5) * from.width() / width);
                System.arraycopy(from.pixels(), (row * from.width() + column) * c, to, (y * width + x) * c, c);
            }
        }
        return new Image(width, height, c, to);
    }

    /** The input elements, from {@code first} on, that make up an output element, and their weights. */
    private record Taps(int first, int[] weights) {}

    private Taps[] taps(int from, int to) {
        double scale = (double) from / to;
        double stretch = Math.max(1, scale);
        double reach = support * stretch;
        Taps[] taps = new Taps[to];
        for (int i = 0; i < to; i++) {
            double center = (i + 0.5) * scale;
            int first = Math.max(0, (int) (center - reach + 0.5));
            int end = Math.min(from, (int) (center + reach + 0.5));
            double[] w = new double[end - first];
            double sum = 0;
            for (int k = 0; k < w.length; k++) {
                w[k] = weight((k + first - center + 0.5) / stretch);
                sum += w[k];
            }
            int[] fixed = new int[w.length];
            for (int k = 0; k < w.length; k++) {
                double x = sum == 0 ? w[k] : w[k] / sum;
                fixed[k] = (int) (x * (1 << BITS) + (x < 0 ? -0.5 : 0.5));
            }
            taps[i] = new Taps(first, fixed);
        }
        return taps;
    }

    private Image rows(Image from, int width) {
        Taps[] taps = taps(from.width(), width);
        int c = from.channels();
        byte[] p = from.pixels();
        byte[] to = new byte[Math.multiplyExact(Math.multiplyExact(width, from.height()), c)];
        int at = 0;
        for (int y = 0; y < from.height(); y++) {
            for (Taps t : taps) {
                int base = (y * from.width() + t.first) * c;
                for (int k = 0; k < c; k++) {
                    to[at++] = sum(p, base + k, c, t.weights);
                }
            }
        }
        return new Image(width, from.height(), c, to);
    }

    private Image columns(Image from, int height) {
        Taps[] taps = taps(from.height(), height);
        int line = from.width() * from.channels();
        byte[] to = new byte[Math.multiplyExact(line, height)];
        int at = 0;
        for (Taps t : taps) {
            for (int x = 0; x < line; x++) {
                to[at++] = sum(from.pixels(), t.first * line + x, line, t.weights);
            }
        }
        return new Image(from.width(), height, from.channels(), to);
    }

    private static byte sum(byte[] p, int at, int step, int[] weights) {
        long s = 1L << (BITS - 1);
        int i = at;
        for (int w : weights) {
            s += (long) w * (p[i] & 0xFF);
            i += step;
        }
        return (byte) Math.clamp(s >> BITS, 0, 255);
    }
}
