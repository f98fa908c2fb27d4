package io.quern.vision;

/** Weights of a picture's patches as colours over the picture. */
public final class HeatMap {
    /** From cold to hot, as matplotlib's "inferno" at every quarter. */
    private static final int[][] COLOURS = {{0, 0, 4}, {87, 16, 110}, {188, 55, 84}, {249, 142, 9}, {252, 255, 164}};

    private static final double HEAT = 0.6;

    private HeatMap() {}

    /**
     * The picture in grey, {@code scale} times as wide and high, under the weights, from the least to the greatest; between
     * the middles of patches weights are interpolated.
     *
     * @param weights [rows, columns], row-major
     */
    public static Image over(Image picture, float[] weights, int rows, int columns, int scale) {
        Image grey = picture.withChannels(1);
        int width = Math.multiplyExact(grey.width(), scale);
        int height = Math.multiplyExact(grey.height(), scale);
        float least = Float.POSITIVE_INFINITY;
        float most = Float.NEGATIVE_INFINITY;
        for (float w : weights) {
            least = Math.min(least, w);
            most = Math.max(most, w);
        }
        byte[] to = new byte[Math.multiplyExact(Math.multiplyExact(width, height), 3)];
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                double w =
                        at(weights, rows, columns, (y + 0.5) * rows / height - 0.5, (x + 0.5) * columns / width - 0.5);
                double heat = most > least ? (w - least) / (most - least) : 0;
                int light = grey.at(x / scale, y / scale, 0);
                for (int c = 0; c < 3; c++) {
                    to[(y * width + x) * 3 + c] = (byte) Math.round((1 - HEAT) * light + HEAT * colour(heat, c));
                }
            }
        }
        return new Image(width, height, 3, to);
    }

    /** Bilinear; beyond the middles of the outer patches as at them. */
    private static double at(float[] w, int rows, int columns, double y, double x) {
        double cy = Math.clamp(y, 0, rows - 1);
        double cx = Math.clamp(x, 0, columns - 1);
        int top = (int) cy;
        int left = (int) cx;
        int bottom = Math.min(rows - 1, top + 1);
        int right = Math.min(columns - 1, left + 1);
        double fx = cx - left;
        double upper = w[top * columns + left] * (1 - fx) + w[top * columns + right] * fx;
        double lower = w[bottom * columns + left] * (1 - fx) + w[bottom * columns + right] * fx;
        return upper + (lower - upper) * (cy - top);
    }

    private static double colour(double heat, int channel) {
        double at = Math.clamp(heat, 0, 1) * (COLOURS.length - 1);
        int i = Math.min(COLOURS.length - 2, (int) at);
        return COLOURS[i][channel] + (at - i) * (COLOURS[i + 1][channel] - COLOURS[i][channel]);
    }
}
