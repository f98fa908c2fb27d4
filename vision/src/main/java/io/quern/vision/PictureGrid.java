package io.quern.vision;

import io.quern.tensor.TensorException;
import java.util.Arrays;
import java.util.List;

/** Pictures side by side. */
public final class PictureGrid {
    private static final int GAP = 2;
    private static final byte GROUND = (byte) 160;

    private PictureGrid() {}

    /**
     * One picture of many of equal size, in rows; grey if all are.
     *
     * @param rows from the top; they need not be equally long
     * @param scale how many pixels wide and high a pixel becomes
     */
    public static Image of(List<List<Image>> rows, int scale) {
        Image first = rows.getFirst().getFirst();
        int columns = rows.stream().mapToInt(List::size).max().orElseThrow();
        int channels = rows.stream()
                .flatMap(List::stream)
                .mapToInt(Image::channels)
                .max()
                .orElseThrow();
        int stepX = first.width() * scale + GAP;
        int stepY = first.height() * scale + GAP;
        int width = columns * stepX + GAP;
        int height = rows.size() * stepY + GAP;
        byte[] to = new byte[Math.multiplyExact(Math.multiplyExact(width, height), channels)];
        Arrays.fill(to, GROUND);
        for (int r = 0; r < rows.size(); r++) {
            for (int c = 0; c < rows.get(r).size(); c++) {
                Image picture = rows.get(r).get(c).withChannels(channels);
                if (picture.width() != first.width() || picture.height() != first.height()) {
                    throw new TensorException("a grid needs pictures of equal size; found " + first.width() + " x "
                            + first.height() + " and " + picture.width() + " x " + picture.height());
                }
                paint(picture, scale, to, width, GAP + c * stepX, GAP + r * stepY);
            }
        }
        return new Image(width, height, channels, to);
    }

    private static void paint(Image from, int scale, byte[] to, int width, int left, int top) {
        int n = from.channels();
        for (int y = 0; y < from.height() * scale; y++) {
            for (int x = 0; x < from.width() * scale; x++) {
                int source = (y / scale * from.width() + x / scale) * n;
                System.arraycopy(from.pixels(), source, to, ((top + y) * width + left + x) * n, n);
            }
        }
    }
}
