package io.quern.vision;

import io.quern.tensor.TensorException;

/**
 * A picture of 8 bits a channel.
 *
 * @param width in pixels
 * @param height in pixels
 * @param channels 1 for grey, 3 for red, green, blue
 * @param pixels row-major, the channels of a pixel side by side
 */
public record Image(int width, int height, int channels, byte[] pixels) {
    public Image {
        if (width < 1 || height < 1 || (channels != 1 && channels != 3)) {
            throw new TensorException("a picture has 1 or 3 channels and at least one pixel, not " + width + " x "
                    + height + " x " + channels);
        }
        if (pixels.length != (long) width * height * channels) {
            throw new TensorException("a picture of " + width + " x " + height + " x " + channels + " does not have "
                    + pixels.length + " bytes");
        }
    }

    /**
     * The picture of planes [C, H, W] of values from 0 to 1 that begin at {@code values[at]}; what is outside is clipped.
     */
    public static Image ofUnit(float[] values, int at, int width, int height, int channels) {
        int plane = width * height;
        byte[] to = new byte[plane * channels];
        for (int i = 0; i < to.length; i++) {
            float x = values[at + i % channels * plane + i / channels];
            to[i] = (byte) Math.clamp(Math.round(255 * x), 0, 255);
        }
        return new Image(width, height, channels, to);
    }

    /** Channel {@code c} at column x and row y: 0 to 255. */
    public int at(int x, int y, int c) {
        return pixels[(y * width + x) * channels + c] & 0xFF;
    }

    /** This picture in colour or grey; grey is ITU-R 601's luma, rounded as Pillow does. */
    public Image withChannels(int wanted) {
        if (wanted == channels) {
            return this;
        }
        byte[] to = new byte[width * height * wanted];
        for (int i = 0; i < width * height; i++) {
            if (wanted == 3) {
                to[3 * i] = to[3 * i + 1] = to[3 * i + 2] = pixels[i];
            } else {
                int r = pixels[3 * i] & 0xFF;
                int g = pixels[3 * i + 1] & 0xFF;
                int b = pixels[3 * i + 2] & 0xFF;
                to[i] = (byte) ((r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16);
            }
        }
        return new Image(width, height, wanted, to);
    }

    /** Black for white. */
    public Image inverted() {
        byte[] to = new byte[pixels.length];
        for (int i = 0; i < to.length; i++) {
            to[i] = (byte) ~pixels[i];
        }
        return new Image(width, height, channels, to);
    }

    /** Mean of the outermost pixels, 0 to 255: of what is usually background. */
    public double borderMean() {
        long sum = 0;
        long n = 0;
        for (int y = 0; y < height; y++) {
            boolean edge = y == 0 || y == height - 1;
            for (int x = 0; x < width; x += edge || width == 1 ? 1 : width - 1) {
                for (int c = 0; c < channels; c++) {
                    sum += at(x, y, c);
                    n++;
                }
            }
        }
        return (double) sum / n;
    }

    /** A part; what lies outside of the picture is black. */
    public Image crop(int left, int top, int toWidth, int toHeight) {
        byte[] to = new byte[Math.multiplyExact(Math.multiplyExact(toWidth, toHeight), channels)];
        int first = Math.max(0, -left);
        int end = Math.min(toWidth, width - left);
        for (int y = Math.max(0, -top); y < Math.min(toHeight, height - top); y++) {
            if (end > first) {
                System.arraycopy(
                        pixels,
                        ((y + top) * width + left + first) * channels,
                        to,
                        (y * toWidth + first) * channels,
                        (end - first) * channels);
            }
        }
        return new Image(toWidth, toHeight, channels, to);
    }
}
