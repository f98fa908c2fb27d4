package io.quern.vision.data;

import io.quern.tensor.Rng;

/** What is done to a picture that an autoencoder is to put right. Pixels are planes [C, H, W] of values from 0 to 1. */
public sealed interface Damage {
    /** Nothing. */
    Damage NONE = new None();

    /** The damaged picture. */
    float[] apply(float[] pixels, int height, int width, Rng rng);

    /** Channels of a damaged picture of so many channels. */
    default int channels(int of) {
        return of;
    }

    /** Leaves pictures as they are. */
    record None() implements Damage {
        @Override
        public float[] apply(float[] pixels, int height, int width, Rng rng) {
            return pixels.clone();
        }
    }

    /**
     * Adds normal noise, and clips what becomes darker than black or lighter than white.
     *
     * @param deviation its standard deviation
     */
    record Noise(double deviation) implements Damage {
        @Override
        public float[] apply(float[] pixels, int height, int width, Rng rng) {
            float[] to = new float[pixels.length];
            for (int i = 0; i < to.length; i++) {
                to[i] = (float) Math.clamp(pixels[i] + deviation * rng.nextGaussian(), 0, 1);
            }
            return to;
        }
    }

    /**
     * Puts a square of mid-grey anywhere on the picture.
     *
     * @param side its edge in pixels; cut down to that of the picture
     */
    record Hole(int side) implements Damage {
        @Override
        public float[] apply(float[] pixels, int height, int width, Rng rng) {
            float[] to = pixels.clone();
            int h = Math.min(side, height);
            int w = Math.min(side, width);
            int top = rng.nextInt(height - h + 1);
            int left = rng.nextInt(width - w + 1);
            int plane = height * width;
            for (int c = 0; c < to.length / plane; c++) {
                for (int y = top; y < top + h; y++) {
                    int at = c * plane + y * width + left;
                    java.util.Arrays.fill(to, at, at + w, 0.5f);
                }
            }
            return to;
        }
    }

    /** Takes the colour: ITU-R 601's luma. */
    record Grey() implements Damage {
        @Override
        public float[] apply(float[] pixels, int height, int width, Rng rng) {
            int plane = height * width;
            float[] to = new float[plane];
            for (int i = 0; i < plane; i++) {
                to[i] = pixels.length == plane
                        ? pixels[i]
                        : 0.299f * pixels[i] + 0.587f * pixels[plane + i] + 0.114f * pixels[2 * plane + i];
            }
            return to;
        }

        @Override
        public int channels(int of) {
            return 1;
        }
    }
}
