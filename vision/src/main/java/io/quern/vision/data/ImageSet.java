package io.quern.vision.data;

import io.quern.tensor.TensorException;
import io.quern.vision.Image;
import java.util.List;

/**
 * Pictures of equal size with their classes, in memory.
 *
 * @param height of each
 * @param width of each
 * @param channels 1 or 3
 * @param pixels of all, plane after plane: [N, C, H, W]
 * @param classes of each, an index of {@code labels}
 * @param labels of the classes
 */
public record ImageSet(int height, int width, int channels, byte[] pixels, int[] classes, List<String> labels) {
    /** The most bytes of pixels that a set holds. */
    public static final long MOST_BYTES = 1L << 30;

    public ImageSet {
        if (pixels.length != (long) classes.length * channels * height * width) {
            throw new TensorException("there are " + classes.length + " labels, but pixels for "
                    + (double) pixels.length / ((long) channels * height * width) + " pictures");
        }
        labels = List.copyOf(labels);
        for (int c : classes) {
            if (c < 0 || c >= labels.size()) {
                throw new TensorException("class " + c + " is outside the " + labels.size() + " labels");
            }
        }
    }

    /** Number of pictures. */
    public int size() {
        return classes.length;
    }

    /** Bytes of one picture. */
    public int bytesEach() {
        return channels * height * width;
    }

    /** Picture {@code i}. */
    public Image image(int i) {
        byte[] p = new byte[bytesEach()];
        int plane = height * width;
        for (int k = 0; k < p.length; k++) {
            p[k] = pixels[i * p.length + k % channels * plane + k / channels];
        }
        return new Image(width, height, channels, p);
    }

    static int checkedBytes(String what, long count, long each) {
        if (count * each > MOST_BYTES) {
            throw new TensorException(what + ": " + count + " pictures of " + each + " bytes are more than "
                    + MOST_BYTES + " bytes; take fewer or smaller ones");
        }
        return (int) (count * each);
    }
}
